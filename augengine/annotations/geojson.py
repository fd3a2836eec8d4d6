"""GeoJSON as QuPath writes it: level-0 pixels of the scanned area, y downwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from augengine.annotations.base import Drawn
from augengine.errors import SourceError

_GEOMETRIES = ("Polygon", "MultiPolygon", "GeometryCollection", "Point", "MultiPoint", "LineString", "MultiLineString")


def is_geojson(document: Any) -> bool:
    """Whether a json value is a Feature, a FeatureCollection, a geometry, or a list of features."""
    if isinstance(document, list):
        return not document or any(isinstance(each, dict) and "geometry" in each for each in document)
    return isinstance(document, dict) and document.get("type") in ("Feature", "FeatureCollection", *_GEOMETRIES)


def read_geojson(document: Any, *, scanned_from: tuple[float, float] = (0.0, 0.0)) -> Iterator[Drawn]:
    """What a GeoJSON value draws; its coordinates count from the scanned area's corner, to which QuPath crops.

    The class is ``properties.classification``, by its ``name`` or its ``names``, perhaps written as a text of json;
    without one it is ``properties.name``, as older exports have it.

    Raises:
        SourceError: A FeatureCollection without a list of features.
    """
    for i, feature in enumerate(_features(document), start=1):
        yield replace(_drawn(f"feature {i}", feature), origin=scanned_from)


def _features(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    if document["type"] == "FeatureCollection":
        return _listed(document.get("features"))
    return [document if document["type"] == "Feature" else {"geometry": document}]


def _listed(features: Any) -> list[Any]:
    if not isinstance(features, list):
        raise SourceError("the FeatureCollection has no list of features", hint="export it again from QuPath")
    return features


def _drawn(where: str, feature: Any) -> Drawn:
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(geometry, dict):
        return Drawn(where=where, name=None, reason="has no geometry")
    name = _class(feature.get("properties"))
    polygons = _polygons(geometry)
    if not polygons:
        return Drawn(where=where, name=name, reason=f"is a {geometry.get('type')}, which has no area")
    return Drawn(where=where, name=name, polygons=polygons)


def _polygons(geometry: dict[str, Any]) -> list[Any]:
    """Lists of rings; of collections, which may hold collections, those of all their polygons in order."""
    found, left = [], [geometry]
    while left:
        part = left.pop()
        inner = part.get("geometries") if isinstance(part, dict) and part.get("type") == "GeometryCollection" else None
        left.extend(reversed(inner) if isinstance(inner, list) else ())
        found.extend(_rings(part))
    return found


def _rings(geometry: Any) -> list[Any]:
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if not isinstance(coordinates, list):
        return []
    match geometry.get("type"):
        case "Polygon":
            return [coordinates]
        case "MultiPolygon":
            return [rings if isinstance(rings, list) else [rings] for rings in coordinates]
    return []


def _class(properties: Any) -> str | None:
    if not isinstance(properties, dict):
        return None
    found = _unpacked(properties.get("classification"))
    if isinstance(found, dict):
        names = found.get("names")
        found = names if isinstance(names, list) else found.get("name")
    if isinstance(found, list):
        found = ": ".join(map(str, found))
    name = found or properties.get("name")
    return name if isinstance(name, str) else None


def _unpacked(classification: Any) -> Any:
    """GIS libraries write a nested value as a text of json; a text that is none is a name."""
    if not isinstance(classification, str) or not classification.lstrip().startswith(("{", "[", '"')):
        return classification
    try:
        found = json.loads(classification)
    except (ValueError, RecursionError):
        return classification
    is_a_list_of_others = isinstance(found, list) and not all(isinstance(name, str) for name in found)
    return classification if is_a_list_of_others else found
