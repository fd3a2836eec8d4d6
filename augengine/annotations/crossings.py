"""Outlines so entangled that geometry would take minutes and gigabytes for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from augengine.errors import ContentError, SourceError

MAX_CROSSINGS = 100_000
"""Pairs of edges of an object that meet, beyond those of neighbours. Measured, random vertices: 2 million pairs, 55 s
and 2 GB to mend them; 0.2 million, 3 s. An outline drawn by hand has a few."""

MAX_CROSSINGS_IN_ALL = 500_000
"""The same over all objects of a file: 57 KB hold four that take 20 s together, a file of 256 MB would take a day."""

MAX_BOX_PAIRS, BOX_PAIRS_AN_EDGE = 4_000_000, 64
"""Pairs of edges whose boxes overlap: so many, and so many more for each edge. Geometry looks at every such pair: an
outline of 24 000 long diagonal teeth has 288 million and took 13 s, though no two of its edges cross. An edge of an
outline that is drawn by hand, or traced from pixels, has 3 to 10."""

MAX_BOX_PAIRS_IN_ALL = 40_000_000
"""The same over all objects of a file, those that belong to the edges not counted."""

_FEW = 1000  # edges, all of which may overlap
_NEIGHBOURS = 8  # pairs an edge has with itself and with the same edge of a neighbour, some ends touching
_AT_ONCE = 1_000_000  # pairs that one query may find at most


Edges = np.ndarray[tuple[int], np.dtype[np.object_]]
"""Lines of two points each."""


class Crossings:
    """Counts how often the edges of a file's objects cross."""

    def __init__(self) -> None:
        self._seen = self._pairs = 0

    def check(self, areas: Iterable[BaseGeometry]) -> None:
        """Refuse areas whose edges cross too often for them to be mended or united.

        Raises:
            ContentError: More than `MAX_CROSSINGS` pairs of their edges meet.
            SourceError: More than `MAX_CROSSINGS_IN_ALL` pairs of all that were checked.
        """
        edges = _edges(areas)
        tree = shapely.STRtree(edges)
        self._check_boxes(tree, edges)
        crossed = -_NEIGHBOURS * len(edges)
        ends, start = shapely.get_coordinates(edges).reshape(-1, 2, 2), 0
        for part in _in_steps(edges):
            first, second = tree.query(part, predicate="intersects")
            crossed += int((_shared(ends[first + start], ends[second]) != 1).sum())
            start += len(part)
            if crossed > MAX_CROSSINGS:
                break
        self._add(max(0, crossed))
        if crossed > MAX_CROSSINGS:
            raise ContentError(f"its {len(edges)} edges cross each other more than {MAX_CROSSINGS} times")

    def check_boxes(self, area: BaseGeometry) -> None:
        """Refuse an area of which even to ask whether it is valid would take minutes.

        Raises:
            ContentError: The boxes of more than `MAX_BOX_PAIRS` pairs of its edges overlap.
            SourceError: Those of more than `MAX_BOX_PAIRS_IN_ALL` pairs of all that were checked.
        """
        if shapely.get_num_coordinates(area) > _FEW:
            edges = _edges([area])
            self._check_boxes(shapely.STRtree(edges), edges)

    def _check_boxes(self, tree: shapely.STRtree, edges: Edges) -> None:
        usual, pairs = BOX_PAIRS_AN_EDGE * len(edges), 0
        for part in _in_steps(edges):
            pairs += tree.query(part).shape[1]
            if pairs > usual + MAX_BOX_PAIRS:
                break
        self._pairs += max(0, pairs - usual)
        if self._pairs > MAX_BOX_PAIRS_IN_ALL:
            said = f"the boxes of the outlines' edges overlap more than {MAX_BOX_PAIRS_IN_ALL} times"
            raise SourceError(said, hint="what drew them? Remove the entangled ones")
        if pairs > usual + MAX_BOX_PAIRS:
            raise ContentError(f"the boxes of its {len(edges)} edges overlap more than {MAX_BOX_PAIRS} times")

    def _add(self, crossed: int) -> None:
        self._seen += crossed
        if self._seen > MAX_CROSSINGS_IN_ALL:
            hint = "what drew them? Remove the entangled ones"
            raise SourceError(f"the outlines cross themselves more than {MAX_CROSSINGS_IN_ALL} times", hint=hint)


def _shared(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many ends two edges have in common, pair by pair, (n, 2, 2) both: one of two that meet there and go on."""
    same = [(one[:, i] == other[:, j]).all(axis=1) for i in (0, 1) for j in (0, 1)]
    shared: NDArray[np.intp] = np.sum(same, axis=0)
    return shared


def _in_steps(edges: Edges) -> Iterator[Edges]:
    """Edges in pieces of which no query finds more than `_AT_ONCE` pairs, or one edge's."""
    step = max(1, _AT_ONCE // max(1, len(edges)))
    return (edges[start : start + step] for start in range(0, len(edges), step))


def _edges(areas: Iterable[BaseGeometry]) -> Edges:
    rings = shapely.get_rings(np.array(list(areas), dtype=object))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    ends = np.stack([points[:-1], points[1:]], axis=1)[ring[1:] == ring[:-1]]
    edges: Edges = shapely.linestrings(ends)
    return edges
