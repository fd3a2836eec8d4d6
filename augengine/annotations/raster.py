"""Areas to pixels: one rule, exact at pixel centres, the same whatever window is drawn.

Each edge crosses the rows of pixel centres at points that depend on the edge and the row alone. A centre's winding
number is the sum of the signed crossings left of it, so that overlapping areas add up, holes cancel their outer ring,
and nothing depends on where the window begins. Areas that share an edge share its crossings: they leave no gap and no
overlap. Measured against skimage.draw.polygon and shapely.contains_xy: docs/notes/log.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID = 65536.0
"""Steps a level-0 pixel to which vertices and pixel centres are rounded: the same point, had by different sums in
different files or windows, is then the same number."""


def snap(values: NDArray[Any]) -> Floats:
    """Coordinates on the grid, float64."""
    snapped: Floats = np.rint(values * GRID) / GRID
    return snapped


def centres(start: float, downsample: float, count: int) -> Floats:
    """The pixel centres along one side of a window, in level-0 pixels."""
    return snap(start + (np.arange(count) + 0.5) * downsample)


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges of areas whose outer rings run one way round and whose holes the other, in level-0 pixels.

    Each is stored from its upper end (x0, y0) to its lower one (x1, y1), since a crossing must not depend on the way
    it was drawn; ``sign`` is +1 if it was drawn upwards, -1 if downwards. All (n,).
    """

    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    sign: NDArray[np.int32]

    @classmethod
    def between(cls, starts: Floats, ends: Floats) -> Edges:
        """Edges from points to points, (n, 2) each, x first."""
        down = ends[:, 1] > starts[:, 1]
        upper = np.where(down[:, None], starts, ends)
        lower = np.where(down[:, None], ends, starts)
        return cls(upper[:, 0], upper[:, 1], lower[:, 0], lower[:, 1], np.where(down, -1, 1).astype(np.int32))

    def take(self, index: NDArray[np.intp]) -> Edges:
        """Some of them."""
        return Edges(self.x0[index], self.y0[index], self.x1[index], self.y1[index], self.sign[index])


def inside(edges: Edges, xs: Floats, ys: Floats) -> NDArray[np.bool_] | None:
    """Which pixel centres lie inside, bool (len(ys), len(xs)); None if surely none does.

    Args:
        edges: All edges of every area that may touch the window.
        xs, ys: Rising centres of columns and rows, in level-0 pixels.
    """
    first, last = np.searchsorted(ys, edges.y0), np.searchsorted(ys, edges.y1)
    crosses = np.flatnonzero(last > first)
    if not len(crosses):
        return None
    edges, first, rows = edges.take(crosses), first[crosses], (last - first)[crosses]
    which = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(which)) - np.repeat(np.cumsum(rows) - rows - first, rows)
    column = np.searchsorted(xs, _crossings(edges, which, ys[row]))
    turns = np.zeros((len(ys), len(xs) + 1), np.int32)
    np.add.at(turns, (row, column), edges.sign[which])
    winding = np.cumsum(turns[:, :-1], axis=1, dtype=np.int32)
    return winding > 0


def _crossings(edges: Edges, which: NDArray[np.intp], y: Floats) -> Floats:
    """Where each edge crosses its row, in level-0 pixels from the left."""
    slope = (edges.x1 - edges.x0) / (edges.y1 - edges.y0)
    crossings: Floats = edges.x0[which] + (y - edges.y0[which]) * slope[which]
    return crossings
