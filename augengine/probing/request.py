"""What a user asks to see: which tissue and generators, how much noise, within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from augengine.errors import SpecError
from augengine.measures import Wipes, check_sigmas
from augengine.measures.verdict import Bounds
from augengine.spec import MASK_SUFFIX, MIN_SIDE, BackendName, NoiseSpec, asked, check_threshold, set_paths

PROBE_SIGMAS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Steps of the report's slider, and the grid that eps is chosen from; the paper's (section 3) has six, up to 0.9."""

PREVIEW_SIGMAS = (0.0, 0.05, 0.1, 0.3)
SIZE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecimenRequest:
    """Tissue of a stain, and the generators to look at it with.

    Attributes:
        stain: Name of the source's stain, or a stain file.
        source: Folder, shards, or None for the sample set.
        weights: Folder that is searched alone; None for the usual ones.
        backend: Runs the engines.
        masks: Where the masks of a folder of images are; their borders are drawn.
        mask_suffix: What the name of a mask has after the name of its image.
        mpp: um/px of a source that does not say.
        allow_mpp: Accept um/px far from the generators' own.
        size: Longest side of a tile, pixels; larger images are cropped at their centre.
        tiles: How many; they are chosen among 64 that are spread over the source.
    """

    stain: str
    source: str | None = None
    masks: str | None = None
    mask_suffix: str = MASK_SUFFIX
    weights: Path | None = None
    backend: BackendName = "auto"
    mpp: float | None = None
    allow_mpp: bool = False
    size: int = SIZE
    tiles: int = 8

    def __post_init__(self) -> None:
        set_paths(self, ("weights",), Path)
        if self.tiles < 1:
            raise SpecError(f"at least one tile is needed, asked for {self.tiles}", hint="--tiles 8 is a good start")
        if self.size < MIN_SIDE:
            raise SpecError(f"a tile's side is at least {MIN_SIDE} px, asked for {self.size}", hint="--size 256")
        if self.mpp is not None and not 0 < self.mpp < 100:
            raise SpecError(f"mpp must be in (0, 100) um/px, got {self.mpp}", hint="0.5 is that of a 20x slide")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """What to measure; the options of `augengine probe`.

    Attributes:
        specimen: Tissue and generators.
        out: Folder of probe.json and the plots.
        sigmas: Where the response to noise is measured, ascending, and the grid that eps is chosen from.
        seed: Root of the noise.
        reference_source: Real tiles of the reference stain, for the spectrum; None goes without.
        threshold: Chromogen concentration of a marker; None derives it from the tiles.
        wipes: How A' is wiped.
        bounds: How far a variant may be from its source.
    """

    specimen: SpecimenRequest
    out: Path
    sigmas: tuple[float, ...] = PROBE_SIGMAS
    seed: int = 0
    reference_source: str | None = None
    threshold: float | None = None
    wipes: Wipes = field(default_factory=Wipes)
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        set_paths(self, ("out",), Path)
        check_sigmas(self.sigmas)
        if not self.sigmas:
            raise SpecError("there is no sigma to measure", hint="--sigmas 0.01,0.05,0.1,0.3")
        if self.threshold is not None:
            check_threshold(self.threshold)
        NoiseSpec(eps=self.sigmas[-1], seed=self.seed)  # it knows what a seed is


def as_request(request: ProbeRequest | None, options: Mapping[str, Any]) -> ProbeRequest:
    """A request, or the one that keywords make: its own fields, and those of its specimen beside them.

    Raises:
        SpecError: Both, a keyword that is no option, or a value out of range.
    """
    if request is not None or "specimen" in options:
        return asked(ProbeRequest, request, options)
    tissue, probed = ([field.name for field in fields(kind)] for kind in (SpecimenRequest, ProbeRequest))
    known = [*tissue, *(name for name in probed if name != "specimen")]
    if odd := [name for name in options if name not in known]:
        raise SpecError(f"probe has no option {odd[0]!r}", hint=f"its options are {', '.join(known)}")
    specimen = asked(SpecimenRequest, None, {name: value for name, value in options.items() if name in tissue})
    own = {name: value for name, value in options.items() if name not in tissue}
    return asked(ProbeRequest, None, {**own, "specimen": specimen})


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRequest:
    """What to draw; the options of `augengine preview`.

    Attributes:
        specimen: Tissue and generators; its ``tiles`` are the samples drawn.
        out: The first picture, a png, or a folder for ``preview.png``; the others lie beside it.
        sigmas: Rows of the first picture, ascending; 0 is the reconstruction without noise.
        draws: Draws of one sigma, for the second and the third picture; at least 2.
        sigma: Their sigma; None takes the eps of ``probed``, else the one recommended for the stain, else 0.05.
        probed: Folder that `augengine probe` wrote; None looks at none.
        threshold: Chromogen concentration of a marker; None derives it from the tiles.
        seed: Root of the noise.
    """

    specimen: SpecimenRequest
    out: Path = Path("preview.png")
    sigmas: tuple[float, ...] = PREVIEW_SIGMAS
    draws: int = 6
    sigma: float | None = None
    probed: Path | None = None
    threshold: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        set_paths(self, ("out", "probed"), Path)
        if not self.out.suffix or self.out.is_dir():
            object.__setattr__(self, "out", self.out / "preview.png")
        check_sigmas(tuple(sigma for sigma in self.sigmas if sigma != 0))
        if list(self.sigmas) != sorted(set(self.sigmas)) or not self.sigmas:
            raise SpecError(f"sigmas must be ascending, got {self.sigmas}", hint="--sigmas 0,0.05,0.1,0.3")
        if self.out.suffix.lower() != ".png":
            raise SpecError(f"the pictures are png files, got {self.out}", hint="--out preview.png")
        if self.draws < 2:
            raise SpecError(f"draws are compared, so at least 2 are needed, asked for {self.draws}", hint="--draws 6")
        if self.sigma is not None and not 0 < self.sigma <= 2:
            raise SpecError(
                f"sigma must be in (0, 2], got {self.sigma}", hint="leave out --sigma for the stain's own eps"
            )
        if self.threshold is not None:
            check_threshold(self.threshold)
        NoiseSpec(eps=PROBE_SIGMAS[0], seed=self.seed)  # it knows what a seed is
