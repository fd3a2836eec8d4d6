"""Aperio ImageScope's XML: a Region is one object, in level-0 pixels, y downwards; an Annotation is a layer of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from augengine.annotations.base import Drawn
from augengine.annotations.geometry import FARTHEST, ellipse
from augengine.annotations.raster import Floats
from augengine.errors import SourceError

MAX_NEGATIVE_PAIRS = 200_000
"""Negative regions that meet others, each with each: every pair costs 0.1 ms."""

_NO_AREA = {"3": "an arrow", "4": "a ruler"}
_ELLIPSE = "2"


def is_aperio(root: Element) -> bool:
    """Whether this is ImageScope's: by its root, or by the Regions of an Annotation."""
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
    return region.get("NegativeROA", "0").strip().lower() not in ("", "0", "false")


def _drawn(where: str, name: str | None, region: Element, negatives: _Negatives) -> Drawn:
    if kind := _NO_AREA.get(region.get("Type", "").strip()):
        return Drawn(where=where, name=name, reason=f"is {kind}, which has no area")
    ring = _ring(region)
    return Drawn(where=where, name=name, polygons=[[ring]], minus=negatives.touching(ring))


def _ring(region: Element) -> list[Any]:
    """Its vertices; an ellipse is written as two corners of its box."""
    points = [(vertex.get("X"), vertex.get("Y")) for vertex in region.iter("Vertex")]
    if region.get("Type", "").strip() != _ELLIPSE or len(points) != 2:
        return points
    try:
        (left, top), (right, bottom) = ((float(x or "nan"), float(y or "nan")) for x, y in points)
    except ValueError:
        return points
    return ellipse(left, top, right, bottom)


def _class(layer: Element, region: Element) -> str | None:
    names = (layer.get("Name"), *_values(layer), region.get("Text"), *_values(region))
    return next((name for name in names if name and name.strip()), None)


def _values(element: Element) -> Iterator[str | None]:
    return (attribute.get("Value") for attribute in element.findall("Attributes/Attribute"))
