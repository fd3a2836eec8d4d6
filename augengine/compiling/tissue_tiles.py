"""Tiles that show tissue: what generators can be looked at on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from augengine.chain.translate import normalise
from augengine.compiling.tiles import Tile, Tiles
from augengine.draws.noise import FloatImage
from augengine.errors import SourceError
from augengine.measures.pair_verdict import CANDIDATES
from augengine.measures.tile_numbers import evenly_marked, most_marked
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import tissue_mask
from augengine.pictures.markers import MarkerRule, derive_threshold
from augengine.sample import Failure

MIN_TISSUE = 0.05
"""Share of a tile that must be tissue: below it there is a rim, and nothing to say about markers."""

_MAX_PIXELS = CANDIDATES * 1024 * 1024
"""Largest number of pixels of all candidates together, so that large tiles do not fill the memory."""

Choice = Callable[[Sequence[RgbImage], MarkerRule, int], list[int]]
"""Chooses among images by their markers: the images, what counts as a marker, how many at most -> their numbers."""

# Grey levels; a tile of one colour, compression included, deviates less.
_MIN_DEVIATION = 1.0


def to_inputs(tiles: Sequence[Tile]) -> list[FloatImage]:
    """float32 (3, H, W) in [-1, 1] of each tile."""
    return list(normalise([tile.image_hwc for tile in tiles]))


def showing_tissue(tiles: Tiles, count: int, height: int, width: int) -> tuple[tuple[Tile, ...], tuple[Failure, ...]]:
    """Up to ``count`` tiles that show tissue, spread over the source, and why others were passed over.

    Raises:
        SourceError: None shows any.
    """
    shown: list[Tile] = []
    left_out: list[Failure] = []
    for found in map(_judged, tiles.each(count, height, width)):
        if isinstance(found, Failure):
            left_out.append(found)
        else:
            shown.append(found)
        if len(shown) == count:
            break
    if not shown:
        first = f"{left_out[0].key}: {left_out[0].reason}" if left_out else "there is none"
        raise SourceError(f"none of {len(left_out)} tiles shows tissue ({first})", hint="name tiles that do with --in")
    return tuple(shown), tuple(left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedTiles:
    """Tiles of a source that were chosen by their markers.

    Attributes:
        shown: At least one, in the source's order.
        markers: What counts as a marker.
        left_out: Samples that could not be candidates, and why.
    """

    shown: tuple[Tile, ...]
    markers: MarkerRule
    left_out: tuple[Failure, ...]


def tiles_to_judge(tiles: Tiles, count: int, height: int, width: int, *, threshold: float | None = None) -> MarkedTiles:
    """Up to ``count`` tiles for the verdict on a pair, chosen by `evenly_marked` among `CANDIDATES`.

    Args:
        tiles: Of the source.
        count: How many at most.
        height, width: Size of a tile in pixels. Above 1024 px a side there are fewer candidates, to save memory.
        threshold: Concentration from which on a pixel is a marker; None derives it from the candidates.

    Raises:
        SourceError: None shows tissue.
    """
    return _chosen(tiles, count, height, width, evenly_marked, threshold)


def tiles_with_most_marker(tiles: Tiles, count: int, height: int, width: int) -> MarkedTiles:
    """Up to ``count`` tiles, those with the most marker among `CANDIDATES`; arguments and errors as above."""
    return _chosen(tiles, count, height, width, most_marked, None)


def _chosen(tiles: Tiles, count: int, height: int, width: int, choose: Choice, threshold: float | None) -> MarkedTiles:
    candidates = max(count, min(CANDIDATES, _MAX_PIXELS // (height * width)))
    shown, left_out = showing_tissue(tiles, candidates, height, width)
    images = [tile.image_hwc for tile in shown]
    found = derive_threshold(images, tiles.stain) if threshold is None else threshold
    markers = MarkerRule(stain=tiles.stain, threshold=found)
    chosen = tuple(shown[i] for i in choose(images, markers, count))
    return MarkedTiles(shown=chosen, markers=markers, left_out=left_out)


def _judged(found: Tile | Failure) -> Tile | Failure:
    if isinstance(found, Failure) or not (reason := why_left_out(found.image_hwc)):
        return found
    return Failure(found.key, reason)


def why_left_out(image_hwc: RgbImage) -> str:
    """Why a tile has nothing to look at, in a sentence; empty if it has."""
    if float(image_hwc.std(axis=(0, 1)).max()) < _MIN_DEVIATION:
        return "the tile is of one colour"
    if (tissue := float(tissue_mask(image_hwc).mean())) < MIN_TISSUE:
        return f"{tissue:.1%} of the tile is tissue, {MIN_TISSUE:.0%} is needed"
    return ""
