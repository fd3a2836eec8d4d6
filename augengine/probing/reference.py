"""Real tiles of the reference stain, which a specimen is compared with."""

from __future__ import annotations

from augengine.compiling import Tiles, showing_tissue, to_inputs
from augengine.dataset.check import check_source_mpp
from augengine.draws.noise import FloatImage
from augengine.errors import SourceError
from augengine.probing.request import SpecimenRequest
from augengine.probing.scanning import scan
from augengine.probing.specimen import Specimen

_MIN_REFERENCE_SIDE = 64
"""px; spectra of larger tiles have the same rings, whatever their sizes."""


def reference_tiles(text: str, specimen: Specimen, request: SpecimenRequest) -> list[FloatImage]:
    """Real tiles of the reference stain, float32 (3, H, W) in [-1, 1].

    They are as large as the specimen's, or as the smallest of them: a tile mirrored to a larger size has another
    spectrum.

    Args:
        text: The source.
        specimen: What they are to be compared with.
        request: What was asked for; its um/px hold for this source too.

    Raises:
        SourceError: None can be read, none shows tissue, or one is too small.
        SpecError: Their um/px are far from the generators' own.
    """
    try:
        source, listing = scan(text, specimen.weights.reference)
    except SourceError as error:
        raise SourceError(error.message, hint=error.hint.replace("--in ", "--reference-in ")) from error
    own = specimen.weights.mpp
    check_source_mpp(listing, own, stated=request.mpp, allowed=request.allow_mpp, warn=lambda _: None)
    # The stain only names what a surrogate is recoloured to, and a source that was given is none.
    tiles = Tiles(source=source, listing=listing, stain=specimen.stain)
    wanted = specimen.tiles[0].image_hwc.shape[:2]
    height, width = (min(side, least) for side, least in zip(wanted, listing.smallest, strict=True))
    if (height, width) != wanted and min(height, width) < _MIN_REFERENCE_SIDE:
        raise SourceError(
            f"the smallest image in {text} is {width} x {height} px: no spectrum to compare with",
            hint=f"leave out those below {_MIN_REFERENCE_SIDE} px",
        )
    shown, _ = showing_tissue(tiles, request.tiles, height, width)
    return to_inputs(shown)
