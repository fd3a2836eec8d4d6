"""GeoJSON as QuPath and others write it, and how it is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import shapely
from shapely import Polygon

from augengine.annotations import open_labels
from tests.support.annotation_files import HOLE, SQUARE, area, read, write_asap, write_geojson, zip_files

POLYGON = {"type": "Polygon", "coordinates": [SQUARE]}


def feature(geometry: object, **rest: object) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": "a"}}} | rest


@pytest.mark.parametrize(
    "document",
    [
        feature(POLYGON),
        [feature(POLYGON)],
        {"type": "FeatureCollection", "features": [feature(POLYGON)]},
        feature({"type": "MultiPolygon", "coordinates": [[SQUARE]]}),
        feature({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 1]}, POLYGON]}),
        feature(POLYGON, properties={"name": "A"}),
        feature(POLYGON, properties={"classification": "a", "name": "Glomerulus 12"}),
        feature({"type": "Polygon", "coordinates": [[[*point, 0] for point in SQUARE]]}),
    ],
)
def test_geojson_of_every_layout_is_read(document: Any, tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", document)
    assert (area(found), found.problems) == (400, ())


def test_a_geojson_geometry_alone_has_no_class(tmp_path: Path) -> None:
    assert area(read(tmp_path / "x.json", POLYGON, default_class="a")) == 400


def test_a_derived_class_of_qupath_keeps_its_parts(tmp_path: Path) -> None:
    for classification in ({"name": "Tumor: Positive"}, {"names": ["Tumor", "Positive"]}):
        found = read(tmp_path / "x.json", feature(POLYGON, properties={"classification": classification}))
        assert found.classes == {"tumor: positive", "tumor"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"name": "Tumor: Positive", "color": [200, 0, 0]}', "Tumor: Positive"),
        (' {"names": ["Tumor", "Positive"]}', "Tumor: Positive"),
        ('["Tumor", "Positive"]', "Tumor: Positive"),
        ('"Tumor"', "Tumor"),
        ("Tumor", "Tumor"),
        ("{not json}", "{not json}"),
        ("[" * 5000, "[" * 5000),
        ("17", "17"),
        ("[1]", "[1]"),
        ("[IHC] positive", "[IHC] positive"),
        ("null", "null"),
        ('{"name": null}', "a name of its own"),
    ],
)
def test_a_class_may_be_a_text_of_json_or_a_name(text: str, name: str, tmp_path: Path) -> None:
    mixed = [feature(POLYGON), feature(POLYGON, properties={"classification": text, "name": "a name of its own"})]
    found = read(tmp_path / "x.json", mixed)
    assert (len(found.objects("a")), len(found.objects(name))) == (1, 1)


def test_collections_in_collections_are_read(tmp_path: Path) -> None:
    point, line = {"type": "Point", "coordinates": [1, 1]}, {"type": "LineString", "coordinates": SQUARE}
    far = {"type": "MultiPolygon", "coordinates": [[[[50, 50], [60, 50], [60, 60], [50, 60]]]]}
    inner = {"type": "GeometryCollection", "geometries": [point, {"type": "GeometryCollection", "geometries": [far]}]}
    outer = {"type": "GeometryCollection", "geometries": [POLYGON, inner, line]}
    found = read(tmp_path / "x.json", feature(outer))
    assert (area(found), len(found.objects("a")), found.problems) == (500, 1, ())
    lines = {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": [line]}]}
    (problem,) = read(tmp_path / "x.json", [feature(lines), feature(POLYGON)]).problems
    assert problem == "feature 1 was skipped: it is a GeometryCollection, which has no area"


def test_a_geojson_in_a_zip_is_read(tmp_path: Path) -> None:
    packed = {"__MACOSX/._s1.geojson": b"\0\5", "s1.geojson": json.dumps([feature(POLYGON)]).encode()}
    assert area(read(tmp_path / "x.zip", zip_files(packed))) == 400
    packed["notes.txt"] = b"what a reader passes over"
    assert area(read(tmp_path / "x.zip", zip_files(packed))) == 400


def test_holes_and_parts_of_a_multipolygon_are_one_object(tmp_path: Path) -> None:
    far = [[50, 50], [60, 50], [60, 60], [50, 60]]
    found = read(tmp_path / "x.json", feature({"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [far]]}))
    assert area(found) == 400 - 25 + 100
    (box,) = found.objects("a")
    assert (box.left, box.top, box.right, box.bottom) == (10, 10, 60, 60)


@pytest.mark.parametrize("properties", [None, {}, {"classification": None}, {"classification": {}}, [], {"name": " "}])
def test_an_object_without_a_class_takes_the_default_or_is_a_problem(properties: Any, tmp_path: Path) -> None:
    document = [feature(POLYGON, properties=properties), feature(POLYGON)]
    skipped = read(tmp_path / "x.json", document)
    assert skipped.problems == ("feature 1 was skipped: it has no class, and no default class was given",)
    assert len(skipped.objects("a")) == 1
    assert len(read(tmp_path / "x.json", document, default_class="A ").objects("a")) == 2


def test_properties_may_be_missing(tmp_path: Path) -> None:
    assert area(read(tmp_path / "x.json", {"type": "Feature", "geometry": POLYGON}, default_class="a")) == 400


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        ({"type": "Point", "coordinates": [1, 1]}, "is a Point, which has no area"),
        ({"type": "LineString", "coordinates": SQUARE}, "is a LineString, which has no area"),
        ({"type": "Polygon", "coordinates": [SQUARE[:2]]}, "2 distinct vertices, an area needs 3"),
        ({"type": "Polygon", "coordinates": []}, "no outline"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [5, 5], [9, 9]]]}, "no area"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [5, float("nan")], [9, 0]]]}, "infinite, undefined or beyond"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [5, 1e300], [9, 0]]]}, "infinite, undefined or beyond"),
        ({"type": "Polygon", "coordinates": [[[0, 0], ["x", 5], [9, 0]]]}, "not all numbers"),
        ({"type": "Polygon", "coordinates": [[1, 2, 3, 4]]}, "no pairs of x and y"),
        ({"type": "Polygon", "coordinates": [[[200, 10], [230, 10], [230, 30]]]}, "outside the slide of 100 x 80 px"),
        (None, "no geometry"),
    ],
)
def test_what_cannot_be_used_is_named_and_the_rest_is_kept(geometry: Any, words: str, tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", [feature(geometry), feature(POLYGON)])
    assert area(found) == 400
    (problem,) = found.problems
    assert problem.startswith("feature 1 was skipped: it")
    assert words in problem


def test_geojson_counts_from_the_corner_of_the_scanned_area_and_others_do_not(tmp_path: Path) -> None:
    polygons = [("a", shapely.box(10, 10, 30, 30))]
    files = [write_geojson(tmp_path / "x.json", polygons), write_asap(tmp_path / "x.xml", polygons)]
    found = [open_labels(file, slide_width=100, slide_height=80, scanned_from=(30, 5)).objects("a") for file in files]
    assert [(box.left, box.top) for (box,) in found] == [(40, 15), (10, 10)]


def test_the_content_tells_the_format_not_the_extension(tmp_path: Path) -> None:
    file = write_geojson(tmp_path / "x.xml", [("a", Polygon(SQUARE))])
    assert area(open_labels(file, slide_width=100, slide_height=80)) == 400
    assert area(read(tmp_path / "y.json", json.dumps(feature(POLYGON)).encode("utf-16"))) == 400
