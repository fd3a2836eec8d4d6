"""ASAP's XML: an Annotation is one object, in level-0 pixels, y downwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element

from augengine.annotations.base import Drawn

_AREAS = ("", "polygon", "spline", "rectangle")
_MAX_DEPTH = 16  # groups in groups


def is_asap(root: Element) -> bool:
    """Whether this is ASAP's: by its root, or by the Coordinates of an Annotation."""
    return root.tag == "ASAP_Annotations" or root.find(".//Annotation/Coordinates") is not None


def read_asap(root: Element) -> Iterator[Drawn]:
    """What the file draws. The class of an annotation is its group; the group ``None`` means no class.

    A group that is part of another one is a sub-class of it.
    """
    parents = {_name(group.get("Name")): _name(group.get("PartOfGroup")) for group in root.iter("Group")}
    for i, annotation in enumerate(root.iter("Annotation"), start=1):
        yield _drawn(f"annotation {i} ({annotation.get('Name', '')!r})", annotation, parents)


def _name(text: str | None) -> str:
    """A group's name; empty if there is none."""
    name = (text or "").strip()
    return "" if name == "None" else name


def _groups_above(name: str, parents: Mapping[str, str]) -> list[str]:
    """The groups that contain a group, from the nearest; groups that contain each other are named once."""
    found: list[str] = []
    while (name := parents.get(name, "")) and name not in found and len(found) < _MAX_DEPTH:
        found.append(name)
    return found


def _drawn(where: str, annotation: Element, parents: Mapping[str, str]) -> Drawn:
    name = _name(annotation.get("PartOfGroup"))
    groups = _groups_above(name, parents) if name else []
    kind = annotation.get("Type", "")
    if kind.lower() not in _AREAS:
        return Drawn(where=where, name=name, reason=f"is a {kind}, which has no area")
    coordinates = sorted(annotation.iter("Coordinate"), key=_order)
    ring = [(each.get("X"), each.get("Y")) for each in coordinates]
    return Drawn(where=where, name=name, groups=groups, polygons=[[ring]])


def _order(coordinate: Element) -> float:
    """Its place in the outline; without one it keeps its place in the file, since sorting is stable."""
    try:
        return float(coordinate.get("Order", "0"))
    except ValueError:
        return 0.0
