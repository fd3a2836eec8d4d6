"""Drawn rings to areas that geometry can rely on, and areas to edges."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from augengine.annotations.base import Drawn, Ring
from augengine.annotations.crossings import Crossings
from augengine.annotations.raster import Edges, Floats, snap
from augengine.errors import ContentError

FARTHEST = 1e7
"""Level-0 pixels: thirty times the side of the largest slides. A coordinate beyond it is a mistake."""

MAX_DEPTH = 16
"""Brackets in each other in a well-known text: a multipolygon has 3, each collection around it one more."""

_SRID = re.compile(r"\s*SRID\s*=\s*-?\d+\s*;", re.IGNORECASE)  # PostGIS writes it before the text
_ARC_ERROR = 0.02  # level-0 pixels between an ellipse and the polygon that stands for it


def area(drawn: Drawn, crossings: Crossings) -> BaseGeometry:
    """A drawn object as a valid, non-empty Polygon or MultiPolygon, in level-0 pixels.

    An outline that crosses itself encloses what it goes around; loops that fill twice stay filled.

    Args:
        drawn: The object.
        crossings: Counts the crossing edges of all objects of its file.

    Raises:
        ContentError: It has no area, coordinates that make no sense, or edges that cross too often.
        SourceError: Those of its file together do.
    """
    if drawn.reason:
        raise ContentError(f"it {drawn.reason}")
    try:
        found = _area(drawn, crossings)
    except shapely.errors.GEOSException as error:
        raise ContentError(f"it is no valid geometry: {error}") from error
    return found if drawn.origin == (0.0, 0.0) else shapely.transform(found, lambda points: points + drawn.origin)


def _area(drawn: Drawn, crossings: Crossings) -> BaseGeometry:
    parts = [_polygon(rings, crossings) for rings in drawn.polygons if len(rings)]
    if not parts:
        raise ContentError("it has no outline")
    if len(parts) > 1:
        crossings.check(parts)
    whole = parts[0] if len(parts) == 1 else _together(parts, even_odd=drawn.rule == "even-odd")
    if drawn.minus:
        minus = [_polygon([ring], crossings) for ring in drawn.minus if len(_ring(ring)) >= 3]
        crossings.check([whole, *minus])
        whole = shapely.difference(whole, shapely.union_all(minus))
    if whole.geom_type == "Polygon" and whole.area > 0:
        return whole
    found = [part for part in shapely.get_parts(whole) if part.geom_type == "Polygon" and part.area > 0]
    if not found:
        raise ContentError("it covers no area")
    return found[0] if len(found) == 1 else shapely.MultiPolygon(found)


def _together(parts: Sequence[BaseGeometry], *, even_odd: bool) -> BaseGeometry:
    return _even_odd(parts) if even_odd else shapely.union_all(parts)


def _even_odd(parts: Sequence[BaseGeometry]) -> BaseGeometry:
    """Unite parts so that a place is inside where an odd number of them covers it.

    Parts are united in pairs, and the pairs in pairs: one after the other takes far longer for many parts.
    shapely.symmetric_difference_all is known to be wrong: github.com/shapely/shapely/issues/2027
    """
    found = np.array(parts, dtype=object)
    while len(found) > 1:
        even = len(found) // 2 * 2
        found = np.concatenate([shapely.symmetric_difference(found[:even:2], found[1:even:2]), found[even:]])
    whole: BaseGeometry = found[0]
    return whole


def _polygon(rings: Sequence[Any], crossings: Crossings) -> BaseGeometry:
    outer, *holes = (_ring(ring) for ring in rings)
    if len(outer) < 3:
        raise ContentError(f"it has {len(outer)} distinct vertices, an area needs 3")
    polygon = shapely.Polygon(outer, [hole for hole in holes if len(hole) >= 3])
    crossings.check_boxes(polygon)
    if polygon.is_valid:
        return polygon
    crossings.check([polygon])
    return _flat(shapely.make_valid(polygon, method="structure", keep_collapsed=False))


def _flat(mended: BaseGeometry) -> BaseGeometry:
    """The areas of a mended geometry, without the lines and points that mending may leave."""
    if mended.geom_type != "GeometryCollection":
        return mended
    return shapely.union_all([part for part in mended.geoms if part.area > 0])


def _ring(values: Any) -> Floats:
    """Vertices (n, 2) on the grid, without repeated ones and without the closing one."""
    try:
        points = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ContentError("its coordinates are not all numbers") from error
    if points.size == 0:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] < 2:
        raise ContentError("its coordinates are no pairs of x and y")
    points = points[:, :2]
    if not np.abs(points).max() <= FARTHEST:  # NaN is not
        raise ContentError(f"it has coordinates that are infinite, undefined or beyond {FARTHEST:.0f} px")
    points = snap(points)
    moved = np.empty(points.shape, bool)
    moved[0], moved[1:] = points[0] != points[-1], points[1:] != points[:-1]
    return points[moved[:, 0] | moved[:, 1]]


def ellipse(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """The ring of the ellipse that fills a box, 0.02 px from it at most."""
    rx, ry = (right - left) / 2, (bottom - top) / 2
    longest = max(abs(rx), abs(ry))
    if not longest < FARTHEST:
        return [(longest, longest)] * 3  # refused with every coordinate that is out of range
    count = max(16, math.ceil(math.pi / math.sqrt(2 * _ARC_ERROR / longest))) if longest else 16
    angles = [2 * math.pi * k / count for k in range(count)]
    return [(left + rx + rx * math.cos(angle), top + ry + ry * math.sin(angle)) for angle in angles]


def rectangle(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """The ring of a box."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def rings_of_wkt(text: str) -> list[list[Floats]]:
    """The polygons of a well-known text, each an outer ring and its holes; ``SRID=...;`` before it is left out.

    Raises:
        ContentError: It cannot be read, has no area, or holds collections too deep in each other.
    """
    text = _SRID.sub("", text, count=1)
    if _depth(text) > MAX_DEPTH:  # GEOS reads by recursion, as deep as the text says: 100 000 levels end the process
        raise ContentError(f"it has WKT with collections in each other, more than {MAX_DEPTH} deep")
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is infinite or undefined is named by `area`
            parts = _flattened(shapely.from_wkt(text))
    except NotImplementedError as error:
        raise ContentError(f"it has curves, which are not read: {text[:40]!r}") from error
    except (shapely.errors.GEOSException, TypeError, ValueError) as error:
        raise ContentError(f"it has WKT that cannot be read: {text[:40]!r}") from error
    polygons = [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]
    if not polygons:
        kind = "".join(itertools.takewhile(str.isalpha, text.strip())).upper()
        raise ContentError(f"it is a {kind}, which has no area")
    return _rings_of_each(polygons)


def _depth(text: str) -> int:
    """How deep the brackets of a text lie in each other."""
    signs = np.frombuffer(text.encode(errors="replace"), np.uint8)
    steps = (signs == ord("(")).astype(np.int8) - (signs == ord(")"))
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


def _flattened(geometry: BaseGeometry) -> NDArray[np.object_]:
    """The simple parts of a geometry, however collections lie in each other."""
    parts = np.array([geometry], dtype=object)
    while any(hasattr(part, "geoms") for part in parts):
        parts = shapely.get_parts(parts)
    return parts


def _rings_of_each(polygons: Iterable[BaseGeometry]) -> list[list[Floats]]:
    return [[shapely.get_coordinates(ring) for ring in (polygon.exterior, *polygon.interiors)] for polygon in polygons]


def rings_of_boxes(left: Floats, top: Floats, right: Floats, bottom: Floats) -> list[list[Floats]]:
    """The polygons that boxes cover together, each an outer ring and its holes; all (n,)."""
    return _rings_of_each(shapely.get_parts(shapely.union_all(shapely.box(left, top, right, bottom))))


def rings_of(areas: Sequence[BaseGeometry]) -> tuple[Ring, ...]:
    """The outer rings and the holes of valid areas, each closed."""
    parts = shapely.get_parts(np.array(areas, dtype=object))
    return tuple(shapely.get_coordinates(ring) for ring in shapely.get_rings(parts))


def edges_of(polygons: Iterable[BaseGeometry]) -> tuple[Edges, NDArray[np.intp]]:
    """All edges of valid polygons, and where those of each begin: (n + 1,), the last is their number."""
    oriented = shapely.orient_polygons(np.array(list(polygons), dtype=object))
    _, points, (rings, polygon_rings) = shapely.to_ragged_array(oriented)
    keep = np.ones(max(len(points) - 1, 0), bool)
    keep[rings[1:-1] - 1] = False  # from one ring's last vertex to the next one's first
    edges = Edges.between(points[:-1][keep], points[1:][keep])
    # A ring of n points, the first one repeated at its end, has n - 1 edges.
    return edges, (rings[polygon_rings] - polygon_rings).astype(np.intp)
