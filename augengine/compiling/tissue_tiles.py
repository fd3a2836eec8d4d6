"""Tiles that show tissue: what generators can be looked at on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from augengine.chain.translate import normalise
from augengine.compiling.tiles import Tile, Tiles
from augengine.draws.noise import FloatImage
from augengine.errors import SourceError
from augengine.measures.tile_numbers import most_marked, sampled_by_marker
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import tissue_mask
from augengine.pictures.markers import MarkerRule, derive_threshold
from augengine.sample import Failure

MIN_TISSUE = 0.05
"""Share of a tile that must be tissue: below it there is a rim, and nothing to say about markers."""

_LOOKED_AT = 64
"""Tiles, spread over the source, among which some are chosen by their markers."""

_LOOKED_AT_PX = _LOOKED_AT * 1024 * 1024
"""Pixels of them at most, so that large tiles do not fill the memory."""

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
        markers: What counts as a marker on all tiles that were looked at.
        left_out: Samples that were passed over, and why.
    """

    shown: tuple[Tile, ...]
    markers: MarkerRule
    left_out: tuple[Failure, ...]


def tiles_to_judge(tiles: Tiles, count: int, height: int, width: int) -> MarkedTiles:
    """Up to ``count`` tiles that a pair is judged on, by all that judge: see `sampled_by_marker`.

    Raises:
        SourceError: None shows tissue.
    """
    return _chosen(tiles, count, height, width, sampled_by_marker)


def tiles_with_most_marker(tiles: Tiles, count: int, height: int, width: int) -> MarkedTiles:
    """Up to ``count`` tiles, those with the most marker.

    Raises:
        SourceError: None shows tissue.
    """
    return _chosen(tiles, count, height, width, most_marked)


def _chosen(
    tiles: Tiles,
    count: int,
    height: int,
    width: int,
    choose: Callable[[Sequence[RgbImage], MarkerRule, int], list[int]],
) -> MarkedTiles:
    looked_at = max(count, min(_LOOKED_AT, _LOOKED_AT_PX // (height * width)))
    shown, left_out = showing_tissue(tiles, looked_at, height, width)
    images = [tile.image_hwc for tile in shown]
    markers = MarkerRule(stain=tiles.stain, threshold=derive_threshold(images, tiles.stain))
    chosen = tuple(shown[i] for i in choose(images, markers, count))
    return MarkedTiles(shown=chosen, markers=markers, left_out=left_out)


def _judged(found: Tile | Failure) -> Tile | Failure:
    if isinstance(found, Failure) or not (reason := why_left_out(found)):
        return found
    return Failure(found.key, reason)


def why_left_out(tile: Tile) -> str:
    """Why a tile has nothing to look at, in a sentence; empty if it has."""
    if float(tile.image_hwc.std(axis=(0, 1)).max()) < _MIN_DEVIATION:
        return "the tile is of one colour"
    if (tissue := float(tissue_mask(tile.image_hwc).mean())) < MIN_TISSUE:
        return f"{tissue:.1%} of the tile is tissue, {MIN_TISSUE:.0%} is needed"
    return ""
