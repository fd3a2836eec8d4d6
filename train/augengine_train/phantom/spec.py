"""What a field is drawn from: a frozen value, and how markers relate to glomeruli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from augengine.errors import SpecError
from augengine_train.phantom.draws import SEED_BITS

PhantomStain = Literal["pas", "cd68", "cd34"]
STAINS: tuple[PhantomStain, ...] = get_args(PhantomStain)

MIN_SIDE, MAX_SIDE = 16, 4096
MIN_MPP, MAX_MPP = 0.1, 4.0
MAX_UM = 2048.0
"""Longest side of a field, in um: the geometry of a larger one would take gigabytes."""

_MAX_FACTOR = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """How many markers glomeruli hold, against the tissue around them.

    Attributes:
        glomeruli: Expected markers a mm2 within the capsules of open glomeruli, over that outside of glomeruli; 1 is
            no correlation, 0 keeps glomeruli free of markers.
        sclerotic: The same of sclerotic glomeruli.
    """

    glomeruli: float = 1.0
    sclerotic: float = 1.0

    def __post_init__(self) -> None:
        for name in ("glomeruli", "sclerotic"):
            if not 0 <= getattr(self, name) <= _MAX_FACTOR:
                hint = "1 is no correlation, 4 puts four times as many markers into glomeruli"
                value = getattr(self, name)
                raise SpecError(f"the correlation with {name} is a factor in [0, 1000], got {value}", hint=hint)


UNCORRELATED = Correlation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Infiltrates:
    """Bait: round places in the interstitium that are as full of markers as a crowded glomerulus, and are none.

    Attributes:
        per_mm2: Expected number of them, outside of glomeruli; 0 draws none.
        density: Expected markers a mm2 within them, over that outside of glomeruli.
    """

    per_mm2: float = 0.0
    density: float = 4.0

    def __post_init__(self) -> None:
        for name, most in (("per_mm2", 100.0), ("density", _MAX_FACTOR)):
            if not 0 <= (value := getattr(self, name)) <= most:
                hint = "4 a mm2 is one in a field of 512 um"
                raise SpecError(f"{name} of infiltrates is in [0, {most:g}], got {value}", hint=hint)


NO_INFILTRATES = Infiltrates()


def deal_correlations(glomeruli: Sequence[float], sclerotic: float | None = None) -> tuple[Correlation, ...]:
    """One correlation for each factor of ``glomeruli``; sclerotic glomeruli have the same factor, or their own."""
    return tuple(
        Correlation(glomeruli=factor, sclerotic=factor if sclerotic is None else sclerotic) for factor in glomeruli
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field; its pixels are a pure function of these values.

    Attributes:
        side: In pixels.
        mpp: um/px.
        stain: pas, cd68 or cd34.
        patient: Number of the patient, from 0; decides the traits of the tissue and of the slide.
        anatomy_seed: Decides tubules, glomeruli, vessels and nuclei.
        marker_seed: Decides the markers and nothing else; PAS does not show them.
        correlation: How many markers glomeruli hold.
        infiltrates: Bait in the interstitium.
    """

    side: int = 512
    mpp: float = 0.5
    stain: PhantomStain
    patient: int = 0
    anatomy_seed: int
    marker_seed: int
    correlation: Correlation = UNCORRELATED
    infiltrates: Infiltrates = NO_INFILTRATES

    def __post_init__(self) -> None:
        if not MIN_SIDE <= self.side <= MAX_SIDE:
            raise SpecError(f"a field's side is {MIN_SIDE} to {MAX_SIDE} px, got {self.side}")
        if not MIN_MPP <= self.mpp <= MAX_MPP:
            hint = "0.5 is what the generators are trained at"
            raise SpecError(f"a field's um/px are {MIN_MPP} to {MAX_MPP}, got {self.mpp}", hint=hint)
        if self.side * self.mpp > MAX_UM:
            hint = "draw more fields instead of larger ones"
            raise SpecError(f"a field is at most {MAX_UM:g} um wide, got {self.side * self.mpp:g}", hint=hint)
        if self.stain not in STAINS:
            raise SpecError(f"phantoms are drawn in {', '.join(STAINS)}, got {self.stain!r}")
        if self.patient < 0:
            raise SpecError(f"patients are numbered from 0, got {self.patient}")
        for name in ("anatomy_seed", "marker_seed"):
            if not 0 <= getattr(self, name) < 1 << SEED_BITS:
                raise SpecError(f"{name} is a whole number in [0, 2**{SEED_BITS}), got {getattr(self, name)}")
