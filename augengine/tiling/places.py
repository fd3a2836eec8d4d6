"""Where tiles are cut: a grid, around objects, or at random. Drawing a place is apart from reading it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from augengine.draws.philox import Stream, derive_key, philox4x32, uniform

TRIES = 400
"""How many places are drawn for each that is wanted before a slide is said to have no more."""

_BATCH = 4096

_TOUCHING = 1e-6

Fits = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""Whether tiles at corners (x, y), in level-0 pixels, are of a wanted kind."""

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom in level-0 pixels."""


class Place(NamedTuple):
    """A tile to cut: its upper left corner in level-0 pixels, and what it is (a class, or as in `spec`)."""

    x: int
    y: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What places are chosen in.

    Attributes:
        width, height: Size of the slide in level-0 pixels.
        side: Side of a tile in level-0 pixels.
        step: Level-0 pixels that a pixel of the level read is wide: corners lie on whole ones.
    """

    width: int
    height: int
    side: float
    step: float

    @property
    def holds_a_tile(self) -> bool:
        """Whether a tile fits into the slide."""
        return self.side <= self.width + 0.5 and self.side <= self.height + 0.5

    def corner(self, x: float, y: float) -> tuple[int, int]:
        """The corner nearest to (x, y) that lies on a whole pixel and keeps the tile within the slide."""
        return self._snap(x, self.width), self._snap(y, self.height)

    def _snap(self, position: float, extent: int) -> int:
        last = int((extent - self.side) / self.step + 1e-6)
        return round(min(max(round(position / self.step), 0), max(last, 0)) * self.step)


class Tissue:
    """Share of tissue in rectangles of a slide, in constant time each.

    Args:
        mask: bool (h, w): a thumbnail's pixels that are tissue.
        downsample: Level-0 pixels that one of its pixels is wide.
    """

    def __init__(self, mask: NDArray[np.bool_], downsample: float) -> None:
        self._downsample = downsample
        self._sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), dtype=np.int64)
        self._sums[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)

    def share(self, x: NDArray[np.int64], y: NDArray[np.int64], side: float) -> NDArray[np.float64]:
        """Share of tissue of squares with corners (x, y), in level-0 pixels; at least a thumbnail's pixel each."""
        height, width = (n - 1 for n in self._sums.shape)
        left, right = self._edges(x, side, width)
        top, bottom = self._edges(y, side, height)
        total = self._sums[bottom, right] - self._sums[top, right] - self._sums[bottom, left] + self._sums[top, left]
        share: NDArray[np.float64] = total / ((right - left) * (bottom - top))
        return share

    def _edges(self, start: NDArray[np.int64], side: float, extent: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = np.clip(np.rint(start / self._downsample), 0, extent - 1).astype(np.int64)
        last = np.clip(np.rint((start + side) / self._downsample), first + 1, extent).astype(np.int64)
        return first, last


def grid(frame: Frame, *, overlap: float) -> list[tuple[int, int]]:
    """Corners row by row, from the slide's own corner; what is left at the right and the bottom is no whole tile.

    Args:
        frame: The slide.
        overlap: Overlap between neighbouring tiles, in level-0 pixels.
    """
    columns, rows = _steps(frame, overlap)
    return [frame.corner(x, y) for y in rows for x in columns]


def edge_tiles(frame: Frame, objects: Sequence[Rectangle], *, overlap: float) -> list[tuple[int, int]]:
    """Corners of tiles pushed inwards at the right and the bottom, where objects lie beyond the grid's last tiles.

    Args:
        frame: The slide.
        objects: Bounds of the objects.
        overlap: Overlap between neighbouring tiles of the grid, in level-0 pixels.
    """
    columns, rows = _steps(frame, overlap)
    right, bottom = columns[-1] + frame.side, rows[-1] + frame.side
    last_x, last_y = frame.width - frame.side, frame.height - frame.side
    rests: list[tuple[tuple[float, float], Rectangle]]
    rests = [((last_x, y), (right, y, frame.width, y + frame.side)) for y in rows]
    rests += [((x, last_y), (x, bottom, x + frame.side, frame.height)) for x in columns]
    rests += [((last_x, last_y), (right, bottom, frame.width, frame.height))]
    hit = meets_any([rest for _, rest in rests], objects)
    return [frame.corner(*rests[i][0]) for i in np.flatnonzero(hit)]


def _steps(frame: Frame, overlap: float) -> tuple[list[float], list[float]]:
    """Left edges of the columns and top edges of the rows of a grid, in level-0 pixels."""
    pitch = frame.side - overlap
    columns, rows = (
        [i * pitch for i in range(int((extent - frame.side) / pitch + 1e-6) + 1)]
        for extent in (frame.width, frame.height)
    )
    return columns, rows


def centred(frame: Frame, centre: tuple[float, float]) -> tuple[int, int]:
    """The corner of the tile around a point; at the slide's border it is pushed inside."""
    return frame.corner(centre[0] - frame.side / 2, centre[1] - frame.side / 2)


def drawn(
    frame: Frame,
    count: int,
    fits: Fits,
    *,
    seed: int,
    key: str,
) -> list[tuple[int, int]]:
    """Up to ``count`` different corners, uniform over those that fit, in the order drawn.

    A pure function of its arguments: more are a longer list with the same beginning.

    Args:
        frame: The slide.
        count: How many are wanted.
        fits: Whether tiles at corners (x, y) are of the wanted kind.
        seed, key: Random seed and key of the draws.
    """
    found: dict[tuple[int, int], None] = {}
    tried = 0
    while len(found) < count and tried < TRIES * count + _BATCH:
        x, y = _corners(frame, tried, derive_key(seed, key))
        good = np.flatnonzero(fits(x, y))
        found |= dict.fromkeys((int(x[i]), int(y[i])) for i in good)
        tried += _BATCH
    return list(found)[:count]


def _corners(frame: Frame, start: int, key: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    index = np.arange(start, start + _BATCH, dtype=np.uint32)
    zero = np.zeros(1, dtype=np.uint32)
    u, v, *_ = philox4x32((index, zero, zero, np.full(1, Stream.PLACES, dtype=np.uint32)), key)
    return _scaled(u, frame, frame.width), _scaled(v, frame, frame.height)


def _scaled(words: NDArray[np.uint32], frame: Frame, extent: int) -> NDArray[np.int64]:
    choices = int(max(0.0, extent - frame.side) / frame.step + 1e-6) + 1
    return np.rint(np.floor((1.0 - uniform(words)) * choices) * frame.step).astype(np.int64)


def clear_of(rectangles: Sequence[Rectangle], side: float) -> Fits:
    """Whether tiles at corners (x, y) overlap none of some rectangles; touching is no overlap."""
    tree = _tree(rectangles)

    def clear(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        return ~_meeting(tree, np.stack([x, y, x + side, y + side]))

    return clear


def meets_any(areas: Sequence[Rectangle], rectangles: Sequence[Rectangle]) -> NDArray[np.bool_]:
    """Which areas overlap any of some rectangles, bool (len(areas),); touching is no overlap."""
    return _meeting(_tree(rectangles), np.array(areas, dtype=np.float64).reshape(-1, 4).T)


def _tree(rectangles: Sequence[Rectangle]) -> shapely.STRtree:
    return shapely.STRtree([shapely.box(*rectangle) for rectangle in rectangles])


def _meeting(tree: shapely.STRtree, bounds: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of some rectangles, (4, n), overlap one of a tree's; those without an inside overlap none."""
    left, top, right, bottom = (
        bounds[0] + _TOUCHING,
        bounds[1] + _TOUCHING,
        bounds[2] - _TOUCHING,
        bounds[3] - _TOUCHING,
    )
    meeting = np.zeros(left.shape, dtype=np.bool_)
    solid = np.flatnonzero((right > left) & (bottom > top))
    found = tree.query(shapely.box(left[solid], top[solid], right[solid], bottom[solid]))[0]
    meeting[solid[found]] = True
    return meeting


def as_places(corners: Sequence[tuple[int, int]], kind: str) -> Iterator[Place]:
    """Corners as places of a kind."""
    return (Place(x, y, kind) for x, y in corners)
