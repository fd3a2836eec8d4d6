"""The XML of Aperio ImageScope and of HALO: a Region is one object, an Annotation is a layer of them.

Both count level-0 pixels, y downwards. ImageScope numbers the types of regions and calls a corner Vertex; HALO writes
words, calls it V, and gives rectangles too by two corners.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from augengine.annotations.base import Drawn
from augengine.annotations.geometry import FARTHEST, ellipse, rectangle
from augengine.annotations.raster import Floats
from augengine.errors import SourceError

MAX_NEGATIVE_PAIRS = 200_000
"""Negative regions that meet others, each with each: every pair costs 0.1 ms."""

_NO_AREA = {"3": "an arrow", "4": "a ruler", "ruler": "a ruler", "pin": "a pin", "arrow": "an arrow", "line": "a line"}
_BY_CORNERS = {"1": rectangle, "rectangle": rectangle, "2": ellipse, "ellipse": ellipse}


def is_aperio(root: Element) -> bool:
    """Whether this is ImageScope's or HALO's: by its root, or by the Regions of an Annotation."""
    return root.tag == "Annotations" or root.find(".//Annotation/Regions") is not None


def read_aperio(root: Element) -> Iterator[Drawn]:
    """What the file draws.

    The class is the layer's Name; if that is blank the layer's first attribute with a value, then the region's Text,
    then the region's first attribute with a value. Regions with NegativeROA are taken out of their whole layer.

    Raises:
        SourceError: They meet the layer's other regions too often.
    """
    for i, layer in enumerate(root.iter("Annotation"), start=1):
        yield from _read_layer(i, layer)


def _read_layer(i: int, layer: Element) -> Iterator[Drawn]:
    regions = [(f"region {j} of layer {i}", region) for j, region in enumerate(layer.iter("Region"), start=1)]
    negative = [(where, _numbers(_ring(region))) for where, region in regions if _is_negative(region)]
    minus = [ring for _, ring in negative if ring is not None]
    for where, ring in negative:
        if ring is None:
            yield Drawn(where=where, name=None, reason="is negative, and its outline encloses nothing")
        elif len(negative) == len(regions):
            yield Drawn(where=where, name=None, reason="is negative, and its layer has nothing to take it out of")
    negatives, taken = _Negatives(minus), 0
    for where, region in regions:
        if not _is_negative(region):
            drawn = _drawn(where, _class(layer, region), region, negatives)
            yield drawn
            taken += len(drawn.minus)
            if taken > MAX_NEGATIVE_PAIRS:
                hint = "export fewer regions at a time"
                raise SourceError(f"negative regions of layer {i} meet others {MAX_NEGATIVE_PAIRS} times", hint=hint)


def _numbers(ring: list[Any]) -> Floats | None:
    """Vertices (n, 2), or None if they enclose nothing."""
    try:
        points = np.array(ring, np.float64)
    except (TypeError, ValueError):
        return None
    return points if len(points) >= 3 and np.abs(points).max() < FARTHEST else None


class _Negatives:
    """The negative outlines of a layer, found by their bounds."""

    def __init__(self, rings: list[Floats]) -> None:
        self._rings = rings
        self._first = np.array([ring.min(axis=0) for ring in rings]).reshape(-1, 2)
        self._last = np.array([ring.max(axis=0) for ring in rings]).reshape(-1, 2)

    def touching(self, ring: list[Any]) -> list[Floats]:
        """Those whose bounds meet those of an outline."""
        if (points := _numbers(ring)) is None:
            return []
        meet = (self._first <= points.max(axis=0)) & (self._last >= points.min(axis=0))
        return [self._rings[k] for k in np.flatnonzero(meet.all(axis=1))]


def _is_negative(region: Element) -> bool:
    return _says_yes(region, "NegativeROA")


def _says_yes(region: Element, attribute: str) -> bool:
    return region.get(attribute, "0").strip().lower() not in ("", "0", "false")


def _kind(region: Element) -> str:
    return region.get("Type", "").strip().lower()


def _drawn(where: str, name: str | None, region: Element, negatives: _Negatives) -> Drawn:
    # HALO gives lines the type Polygon, and ends.
    if kind := _NO_AREA.get(_kind(region)) or ("a line" if _says_yes(region, "HasEndcaps") else None):
        return Drawn(where=where, name=name, reason=f"is {kind}, which has no area")
    ring = _ring(region)
    return Drawn(where=where, name=name, polygons=[[ring]], minus=negatives.touching(ring))


def _ring(region: Element) -> list[Any]:
    """Its vertices; ellipses and rectangles may be written as two corners of their box."""
    points = [(each.get("X"), each.get("Y")) for tag in ("Vertex", "V") for each in region.iter(tag)]
    shape = _BY_CORNERS.get(_kind(region))
    if shape is None or len(points) != 2:
        return points
    try:
        (left, top), (right, bottom) = ((float(x or "nan"), float(y or "nan")) for x, y in points)
    except ValueError:
        return points
    return shape(left, top, right, bottom)


def _class(layer: Element, region: Element) -> str | None:
    names = (layer.get("Name"), *_values(layer), region.get("Text"), *_values(region))
    return next((name for name in names if name and name.strip()), None)


def _values(element: Element) -> Iterator[str | None]:
    return (attribute.get("Value") for attribute in element.findall("Attributes/Attribute"))
