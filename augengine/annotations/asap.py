"""ASAP's XML: an Annotation is one object, in level-0 pixels, y downwards."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from augengine.annotations.base import Drawn

_AREAS = ("", "polygon", "spline", "rectangle")


def is_asap(root: Element) -> bool:
    """Whether this is ASAP's: by its root, or by the Coordinates of an Annotation."""
    return root.tag == "ASAP_Annotations" or root.find(".//Annotation/Coordinates") is not None


def read_asap(root: Element) -> Iterator[Drawn]:
    """What the file draws; the class is the group that an annotation is part of, and ``None`` means none."""
    for i, annotation in enumerate(root.iter("Annotation"), start=1):
        yield _drawn(f"annotation {i} ({annotation.get('Name', '')!r})", annotation)


def _drawn(where: str, annotation: Element) -> Drawn:
    group = annotation.get("PartOfGroup", "")
    name = None if group.strip() == "None" else group
    kind = annotation.get("Type", "")
    if kind.lower() not in _AREAS:
        return Drawn(where=where, name=name, reason=f"is a {kind}, which has no area")
    coordinates = sorted(annotation.iter("Coordinate"), key=_order)
    return Drawn(where=where, name=name, polygons=[[[(each.get("X"), each.get("Y")) for each in coordinates]]])


def _order(coordinate: Element) -> float:
    """Its place in the outline; without one it keeps its place in the file, since sorting is stable."""
    try:
        return float(coordinate.get("Order", "0"))
    except ValueError:
        return 0.0
