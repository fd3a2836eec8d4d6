"""What counts as a marker where markers are shuffled: one threshold for a whole dataset."""

from __future__ import annotations

from augengine.compiling import Tiles, showing_tissue
from augengine.dataset.request import AugmentRequest
from augengine.json_values import from_json
from augengine.listing import Listing
from augengine.pictures.markers import MarkerRule, derive_threshold, share
from augengine.progress import Watcher, counted
from augengine.runs import holds_samples, read_plan
from augengine.sources import Source
from augengine.spec import AugmentSpec, ShuffleSpec
from augengine.stains import Stain

_LOOKED_AT = 32
_SIDE = 512
"""Tiles that the threshold is derived on, spread over the source, and their longest side in pixels."""

MAX_SHARE = 0.3
"""Share of the tissue's tiles beyond which what was found is a background rather than markers."""


def shuffle_spec(
    request: AugmentRequest, stain: Stain, source: Source, listing: Listing, watcher: Watcher
) -> ShuffleSpec:
    """What counts as a marker: what is asked for, or what the dataset was begun with, or what the tiles tell.

    Raises:
        SpecError: The threshold is no concentration.
        SourceError: No tile shows tissue.
    """
    if stain.reference is None:
        watcher.warn(f"{stain.name} names no stain to translate it to: is its chromogen a marker?")
    asked = request.marker_threshold
    threshold = asked if asked is not None else _planned_threshold(request)
    tiles = Tiles(source=source, listing=listing, stain=stain, known=True)
    height, width = (min(_SIDE, side) for side in listing.largest)
    shown, _ = showing_tissue(tiles, _LOOKED_AT, height, width)
    images = [tile.image_hwc for tile in shown]
    found = derive_threshold(images, stain) if threshold is None else threshold
    _tell(found, share([MarkerRule(stain=stain, threshold=found).mask(image) for image in images]), len(shown), watcher)
    return ShuffleSpec(threshold=found, counterstain=stain.counterstain, chromogen=stain.chromogen, seed=request.seed)


def _planned_threshold(request: AugmentRequest) -> float | None:
    """The threshold of the dataset that is gone on with: its input may have been mended since."""
    plan = read_plan(request.out)
    if plan is None or not plan.spec.get("shuffle") or not holds_samples(request.out, plan):
        return None
    spec = from_json(AugmentSpec, plan.spec)
    return None if spec.shuffle is None else spec.shuffle.threshold


def _tell(threshold: float, marked: float, tiles: int, watcher: Watcher) -> None:
    said = f"markers, from a concentration of {threshold:.3g} on, are {marked:.1%} of {counted(tiles, 'tile')}"
    if marked == 0:
        watcher.warn(f"{said}: nothing will move; give a lower --marker-threshold")
    elif marked > MAX_SHARE:
        watcher.warn(f"{said}: this looks like a background; give a higher --marker-threshold")
    else:
        watcher.note(said)
