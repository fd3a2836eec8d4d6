"""Outlines so entangled that geometry would take minutes and gigabytes for them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from augengine.errors import ContentError, SourceError

MAX_CROSSINGS = 100_000
"""Pairs of edges of an object that meet, beyond those of neighbours. Measured, random vertices: 2 million pairs, 55 s
and 2 GB to mend them; 0.2 million, 3 s. An outline drawn by hand has a few."""

MAX_CROSSINGS_IN_ALL = 500_000
"""The same over all objects of a file: 57 KB hold four that take 20 s together, a file of 256 MB would take a day."""

_NEIGHBOURS = 8  # pairs an edge has with itself and those beside it, some ends repeated or touching
_AT_ONCE = 1_000_000  # pairs that one query may find at most


class Crossings:
    """Counts how often the edges of a file's objects cross."""

    def __init__(self) -> None:
        self._seen = 0

    def check(self, areas: Iterable[BaseGeometry]) -> None:
        """Refuse areas whose edges cross too often for them to be mended or united.

        Raises:
            ContentError: More than `MAX_CROSSINGS` pairs of their edges meet.
            SourceError: More than `MAX_CROSSINGS_IN_ALL` pairs of all that were checked.
        """
        edges = _edges(areas)
        tree, step = shapely.STRtree(edges), max(1, _AT_ONCE // max(1, len(edges)))
        crossed = -_NEIGHBOURS * len(edges)
        for start in range(0, len(edges), step):
            crossed += tree.query(edges[start : start + step], predicate="intersects").shape[1]
            if crossed > MAX_CROSSINGS:
                break
        self._add(max(0, crossed))
        if crossed > MAX_CROSSINGS:
            raise ContentError(f"its {len(edges)} edges cross each other more than {MAX_CROSSINGS} times")

    def _add(self, crossed: int) -> None:
        self._seen += crossed
        if self._seen > MAX_CROSSINGS_IN_ALL:
            hint = "what drew them? Remove the entangled ones"
            raise SourceError(f"the outlines cross themselves more than {MAX_CROSSINGS_IN_ALL} times", hint=hint)


def _edges(areas: Iterable[BaseGeometry]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    rings = shapely.get_rings(np.array(list(areas), dtype=object))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    ends = np.stack([points[:-1], points[1:]], axis=1)[ring[1:] == ring[:-1]]
    edges: np.ndarray[tuple[int], np.dtype[np.object_]] = shapely.linestrings(ends)
    return edges
