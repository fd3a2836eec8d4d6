"""Outlines so entangled that geometry would take minutes and gigabytes for them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from augengine.errors import ContentError

MOST_CROSSINGS = 200_000
"""Pairs of edges that meet, beyond those of neighbours. Measured, 3000 random vertices: 2 million pairs, 55 s and 2 GB
to mend them; 1000: 0.2 million, 3 s. An outline drawn by hand has a few."""

_NEIGHBOURS = 8  # pairs an edge has with itself and those beside it, some ends repeated or touching
_AT_ONCE = 4_000_000  # pairs that one query may find at most


def check_tangle(areas: Iterable[BaseGeometry]) -> None:
    """Refuse areas whose edges cross too often for them to be mended or united.

    Raises:
        ContentError: More than `MOST_CROSSINGS` pairs of edges meet.
    """
    rings = shapely.get_rings(np.array(list(areas), dtype=object))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    ends = np.stack([points[:-1], points[1:]], axis=1)[ring[1:] == ring[:-1]]
    edges = shapely.linestrings(ends)
    tree, step = shapely.STRtree(edges), max(1, _AT_ONCE // max(1, len(edges)))
    left = MOST_CROSSINGS + _NEIGHBOURS * len(edges)
    for start in range(0, len(edges), step):
        left -= tree.query(edges[start : start + step], predicate="intersects").shape[1]
        if left < 0:
            raise ContentError(f"its {len(edges)} edges cross each other more than {MOST_CROSSINGS} times")
