"""The numbers of a probe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from augengine.engines.fidelity import Budget
from augengine.errors import SpecError
from augengine.json_values import to_json
from augengine.measures import CycleError, Excess, Spectrum, UnderNoise, Wiped
from augengine.measures.objects import WELL_MOVED, MarkerObjects
from augengine.measures.spectrum import FINE
from augengine.measures.verdict import NEXT_STEP, Bounds, EpsChoice, Kept, Verdict, VerdictRule
from augengine.progress import counted
from augengine.sample import Failure
from augengine.spec import Precision

INTEGRATED_TO = 0.2
"""End of the range of sigma over which the response is integrated."""

ABOUT_RESPONSE = (
    "response to noise: mean RMS change of the reconstruction; written from memory of Bashkirova et al. 2019 "
    "(their sensitivity to noise, SN), whose exact definition is unconfirmed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """What was looked at.

    Attributes:
        stain, reference: The pair.
        weights: Digests of both generators' ONNX files, to the reference first.
        backend: Ran the float32 engines.
        height, width: Size of a tile in pixels.
        keys: The tiles' samples.
        left_out: Samples that were passed over, and why.
        masked: How many tiles have a mask that fits.
        surrogate: Whether the tiles are recoloured from another stain.
        seed: Random seed of the noise.
    """

    stain: str
    reference: str
    weights: tuple[str, str]
    backend: str
    height: int
    width: int
    keys: tuple[str, ...]
    left_out: tuple[Failure, ...]
    masked: int
    surrogate: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Markers:
    """The markers without noise; Dice and contrasts are None where there is nothing to compare.

    Attributes:
        threshold: Chromogen concentration from which on a pixel is marker.
        area: Share of b's pixels that are marker.
        area_reconstructed: The same of the reconstruction.
        dice: Dice of the two.
        contrast: How far the markers of b stand out from their surroundings, grey levels.
        contrast_hidden: How far the same places stand out in A'; the lower, the better they are hidden.
        objects: Small markers of b that the reconstruction keeps, loses and adds.
    """

    threshold: float
    area: float
    area_reconstructed: float
    dice: float | None
    contrast: float | None
    contrast_hidden: float | None
    objects: MarkerObjects


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePoint:
    """One sigma: what noise does to the tiles.

    Attributes:
        noise: To the picture and its markers.
        structure: Structural similarity of the counterstain between b and b', in [-1, 1].
        objects: Small markers of b that b' keeps, loses and adds.
        checkerboard_db: Power of b' over that of b in the corners of the spectrum, decibels.
    """

    noise: UnderNoise
    structure: float
    objects: MarkerObjects
    checkerboard_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a precision costs, as noise; no budget for float32, which the others are measured against."""

    precision: Precision
    budget: Budget | None

    def line(self, eps: float) -> str:
        """Say in a line whether it is within the noise budget at this eps."""
        if self.budget is None:
            return f"{self.precision}: the reference"
        return self.budget.verdict(eps)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Probe:
    """What was measured, and what follows from it.

    Attributes:
        tissue: What was looked at.
        cycle: b and its reconstruction without noise.
        markers: In both.
        structure: Structural similarity of the counterstain between both.
        points: By ascending sigma.
        control: The same noise on the reconstruction itself, at the rule's ``responds_at``.
        wiped: What is lost when A' is wiped.
        checkerboard_db: Power of the reconstruction without noise over that of b in the corners of the spectrum,
            decibels; above 0 the generator back leaves a checkerboard.
        spectrum: Radial spectrum of A'.
        reference_spectrum: Radial spectrum of real tiles of the reference stain; None if none were given.
        reference_tiles: How many.
        costs: What each precision that runs here costs, as noise.
        bounds, rule: What the choice and the verdict were made by.
        choice: The label-free rule for eps, applied to the grid.
        verdict: In words.
    """

    tissue: Tissue
    cycle: CycleError
    markers: Markers
    structure: float
    points: tuple[NoisePoint, ...]
    control: UnderNoise
    wiped: tuple[Wiped, ...]
    checkerboard_db: float
    spectrum: Spectrum
    reference_spectrum: Spectrum | None
    reference_tiles: int
    costs: tuple[Cost, ...]
    bounds: Bounds
    rule: VerdictRule
    choice: EpsChoice
    verdict: Verdict

    def __post_init__(self) -> None:
        sigmas = [point.noise.sigma for point in self.points]
        if not sigmas or sigmas != sorted(set(sigmas)):
            raise SpecError(f"a probe has points by ascending sigma, got {sigmas}")

    def __repr__(self) -> str:
        eps = "no eps within the bounds" if self.choice.eps is None else f"eps {self.choice.eps:g}"
        return f"<Probe of {self.tissue.stain} on {len(self.tissue.keys)} tiles: {self.verdict.word}, {eps}>"

    @property
    def is_good(self) -> bool:
        """Whether the pair hides and responds, so that its eps may be taken."""
        return self.verdict.word == "hides and responds"

    @property
    def response_integral(self) -> float:
        """The response integrated over sigma in [0, 0.2]."""
        return integral([(point.noise.sigma, point.noise.response) for point in self.points])

    @property
    def excess(self) -> Excess | None:
        """What A' has more of than real reference tissue; None where none was given."""
        return None if self.reference_spectrum is None else self.spectrum.over(self.reference_spectrum)

    def kept(self) -> list[Kept]:
        """What survives at each sigma, as far as needs no label."""
        return [kept_at(point, self.structure, self.markers.area) for point in self.points]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        costs = [{"precision": c.precision, "budget": c.budget and to_json(c.budget)} for c in self.costs]
        derived = {"response_integral": self.response_integral, "about_response": ABOUT_RESPONSE}
        excess = None if self.excess is None else asdict(self.excess)
        return (
            asdict(self) | derived | {"excess": excess, "costs": costs, "kept": [asdict(kept) for kept in self.kept()]}
        )

    def lines(self) -> list[str]:
        """What the table of sigmas does not say, a line each."""
        return [
            f"verdict: {self.verdict.sentence()}",
            self._eps_line(),
            *([self.moves] if self.moves else []),
            f"next: {NEXT_STEP[self.verdict.word]}",
            *self.details(),
        ]

    @property
    def moves(self) -> str:
        """How many small markers noise of the chosen eps moves, and whether that is little; empty without an eps."""
        at = [point.objects for point in self.points if point.noise.sigma == self.choice.eps]
        if not at or not self.is_good or at[0].moved is None:
            return ""
        text = f"at sigma {self.choice.eps:g} noise moves {at[0].moved:.0%} of {at[0].before} small markers"
        if at[0].moved >= WELL_MOVED:
            return text
        weak = f"fewer than {WELL_MOVED:.0%} is little, so variants of one tile look alike"
        return f"{text}; {weak}, and more noise would harm the tissue: a pair trained on your tissue may move more"

    def details(self) -> list[str]:
        """The lines that follow verdict, eps and next step."""
        return [
            self._markers_line(),
            self._objects_line(),
            f"response to noise: {self.response_integral:.4f} integrated over sigma in [0, {INTEGRATED_TO:g}]",
            f"for comparison, noise of sigma {self.control.sigma:g} on the reconstruction itself: two draws agree "
            f"{two(self.control.agreement)}",
            f"the code wiped: {'; '.join(_wiped_text(each) for each in self.wiped)}",
            self._spectrum_line(),
            f"masks: {self.tissue.masked} of {counted(len(self.tissue.keys), 'tile')} have one that fits",
            f"precisions: {'; '.join(cost.line(self.choice.eps or self.rule.stable_at) for cost in self.costs)}",
        ]

    def _eps_line(self) -> str:
        if self.choice.eps is None:
            return f"eps: none of the grid ({self.choice.reason})"
        return f"eps: {self.choice.eps:g} is the largest of the grid within the bounds ({self.choice.reason})"

    def _markers_line(self) -> str:
        seen = self.markers
        return (
            f"without noise: marker Dice {two(seen.dice)}, area {seen.area:.2%} becomes {seen.area_reconstructed:.2%}, "
            f"counterstain's structure {self.structure:.2f}, cycle error L1 {self.cycle.l1:.3f}; markers stand out by "
            f"{_grey(seen.contrast)} in {self.tissue.stain}, by {_grey(seen.contrast_hidden)} in A'"
        )

    def _objects_line(self) -> str:
        bare = self.markers.objects
        return (
            f"small markers: {bare.before} in {self.tissue.stain}; without noise {bare.kept} stay, {bare.new} are new; "
            f"checkerboard of b' without noise: {self.checkerboard_db:+.1f} dB over the source"
        )

    def _spectrum_line(self) -> str:
        seen = self.excess
        if seen is None:
            return f"spectrum of A': compared with nothing, since no {self.tissue.reference} tiles were given"
        compared = f"spectrum of A' against {self.reference_tiles} real {self.tissue.reference} tiles"
        peak = f"at most {seen.peak_db:+.1f} dB, at {seen.peak_frequency:.2f}"
        return f"{compared}: {seen.fine_db:+.1f} dB from {FINE:g} cycles/px on, {peak}"


def kept_at(point: NoisePoint, structure: float, area: float) -> Kept:
    """What survives at one sigma.

    Args:
        point: Measured there.
        structure: Structural similarity without noise; where it is not above 0, nothing of it can be left.
        area: Marker area of the source, above 0.
    """
    left = point.structure / structure if structure > 0 else 0.0
    return Kept(sigma=point.noise.sigma, structure=left, area=point.noise.area / area)


def integral(curve: Sequence[tuple[float, float]]) -> float:
    """The area below (sigma, response) points from 0, where there is no response, to 0.2; straight in between."""
    sigmas, responses = (np.array([0.0, *column]) for column in zip(*curve, strict=True))
    inside = sigmas < INTEGRATED_TO
    x = np.append(sigmas[inside], INTEGRATED_TO)
    y = np.append(responses[inside], np.interp(INTEGRATED_TO, sigmas, responses))
    return float(np.trapezoid(y, x))


def two(value: float | None) -> str:
    """Two decimals, or a dash for nothing."""
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"


def _grey(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.0f} grey levels"


def _wiped_text(wiped: Wiped) -> str:
    lost = round(wiped.lost, 4) + 0.0  # no negative zero
    return f"{wiped.name} {lost:+.4f} RMS, marker Dice {two(wiped.marker_dice)}"
