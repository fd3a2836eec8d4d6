"""The numbers of a validation."""

from __future__ import annotations

from dataclasses import dataclass

from augengine.errors import SpecError
from augengine.measures import CycleError, check_sigmas
from augengine.measures.objects import MarkerObjects

_PER_SIGMA = ("response", "agreement", "faithful", "area")
_LATER = ("objects", "structure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """A pair of generators on held-out tiles: a of the reference, b of the stain.

    A' is b in the reference's colours; the reconstruction is A' translated back; b' is that with noise in between.
    Dice counts pixels summed over all tiles; None where there is no marker to count.

    Attributes:
        stain, reference: The pair.
        reference_tiles, stain_tiles: How many tiles were measured.
        cycle_reference: a and its reconstruction.
        cycle_stain: b and its reconstruction.
        marker_threshold: Chromogen concentration from which on a pixel counts as marker.
        marker_dice: Markers of b and of its reconstruction, without noise.
        marker_area: Share of b's pixels that are marker.
        marker_area_cycled: The same of the reconstructions.
        marker_area_translated: The same of a in the stain's colours.
        contrast_real: How far the markers of b stand out from their surroundings, in grey levels.
        contrast_hidden: How far the same places stand out in A'; the lower, the better the markers are hidden.
        rim: RMS of the reconstructions' errors within 8 px of a tile's border, over that of the rest, of both cycles;
            1 is a clean border.
        sigmas: Standard deviations of the noise, ascending.
        response: Change of the reconstruction under noise of each sigma: the mean over the tiles of its RMS.
        agreement: Dice between the markers of two draws of each sigma.
        faithful: Dice between the markers of b and of one draw of each sigma.
        area: Share of marker pixels in that draw; where it grows, Dice grows by chance alone.
        objects: What noise of each sigma does to the small markers of the reconstruction: how many stay, go and come.
            Empty in validations before it was counted.
        structure: How much of the counterstain's structure noise of each sigma leaves: its similarity between b and one
            draw, as a share of that between b and the reconstruction. Empty in validations before it was measured.
        checkerboard_db: Power in the corners of the reconstructions' spectrum over that of b's, in decibels; transposed
            convolutions leave a grid there. None in validations before it was measured.
        kid_reference, kid_stain: Kernel Inception Distance of A' to a, and of translated a to b; None without a
            feature network.
    """

    stain: str
    reference: str
    reference_tiles: int
    stain_tiles: int
    cycle_reference: CycleError
    cycle_stain: CycleError
    marker_threshold: float
    marker_dice: float | None
    marker_area: float
    marker_area_cycled: float
    marker_area_translated: float
    contrast_real: float | None
    contrast_hidden: float | None
    rim: float
    sigmas: tuple[float, ...]
    response: tuple[float, ...]
    agreement: tuple[float | None, ...]
    faithful: tuple[float | None, ...]
    area: tuple[float, ...]
    objects: tuple[MarkerObjects, ...] = ()
    structure: tuple[float, ...] = ()
    checkerboard_db: float | None = None
    kid_reference: float | None = None
    kid_stain: float | None = None

    def __post_init__(self) -> None:
        for name in _PER_SIGMA:
            if len(getattr(self, name)) != len(self.sigmas):
                raise SpecError(f"one {name} a sigma is needed: {len(getattr(self, name))} for {len(self.sigmas)}")
        for name in _LATER:
            if len(getattr(self, name)) not in (0, len(self.sigmas)):
                raise SpecError(f"{name} is of every sigma: {len(getattr(self, name))} for {len(self.sigmas)}")
        check_sigmas(self.sigmas)

    def lines(self) -> list[str]:
        """The measures as lines of text."""
        moved = [f", small markers {_moved(each)}" for each in self.objects] or [""] * len(self.sigmas)
        left = [f", structure left {each:.2f}" for each in self.structure] or [""] * len(self.sigmas)
        noise = zip(self.sigmas, self.agreement, self.faithful, self.area, self.response, moved, left, strict=True)
        return [
            f"{self.reference}-{self.stain}, {self.reference_tiles} + {self.stain_tiles} held-out tiles",
            f"cycle error: {self.reference} L1 {self.cycle_reference.l1:.3f}, RMS {self.cycle_reference.rms:.3f}; "
            f"{self.stain} L1 {self.cycle_stain.l1:.3f}, RMS {self.cycle_stain.rms:.3f}, "
            f"PSNR {self.cycle_stain.psnr:.1f} dB",
            f"markers: Dice of the reconstruction {_two(self.marker_dice)}; area {self.marker_area:.2%} real, "
            f"{self.marker_area_cycled:.2%} reconstructed, {self.marker_area_translated:.2%} in translated "
            f"{self.reference}",
            f"the markers stand out by {_grey(self.contrast_real)} in {self.stain}, by {_grey(self.contrast_hidden)} "
            f"in A'; error at the borders {self.rim:.2f} times that inside",
            *(
                f"sigma {sigma:g}: two draws agree {_two(agreement)}, Dice with {self.stain} {_two(faithful)}, "
                f"area {area:.2%}, response {response:.4f}{objects}{tissue}"
                for sigma, agreement, faithful, area, response, objects, tissue in noise
            ),
            *self._checkerboard_line(),
            self._kid_line(),
        ]

    def _checkerboard_line(self) -> list[str]:
        if self.checkerboard_db is None:
            return []
        return [f"checkerboard in the reconstruction: {self.checkerboard_db:+.1f} dB over {self.stain}"]

    def _kid_line(self) -> str:
        if self.kid_reference is None or self.kid_stain is None:
            return "KID: not measured; it needs a feature network as a TorchScript file (--kid-features)"
        return f"KID: {self.reference} {self.kid_reference:.4f}, {self.stain} {self.kid_stain:.4f}"


def _moved(objects: MarkerObjects) -> str:
    return f"kept {objects.kept}, lost {objects.lost}, new {objects.new}"


def _two(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _grey(value: float | None) -> str:
    return "no" if value is None else f"{value:.0f} grey levels"
