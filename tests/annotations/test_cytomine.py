"""What Cytomine exports as JSON and CSV, and how it is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import shapely

from augengine.annotations import open_labels
from augengine.errors import ContentError, SourceError
from tests.support.annotation_files import area, read, write_cytomine

WKT = "POLYGON ((10 50, 30 50, 30 70, 10 70, 10 50))"  # counted from below: y 10 to 30


@pytest.mark.parametrize(
    "document",
    [
        [{"location": WKT, "term": ["a"]}],
        {"collection": [{"location": WKT, "term": "a"}], "size": 1},
        {"collection": [{"location": WKT, "term": [17]}], "terms": [{"id": 17, "name": "A"}]},
        [{"location": WKT, "terms": [{"id": 17, "name": "A"}]}],
        [{"location": f"MULTI{WKT.replace('((', '(((').replace('))', ')))')}", "term_name": "a"}],
        [{"location": f"GEOMETRYCOLLECTION ({WKT})", "term": ["a"]}],
    ],
)
def test_cytomine_json_counts_y_from_the_lower_edge(document: Any, tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", document)
    (box,) = found.objects("a")
    assert (box.left, box.top, box.right, box.bottom) == (10, 10, 30, 30)


@pytest.mark.parametrize(
    "text",
    [
        f"SRID=0;{WKT}",
        f" srid = 4326 ; {WKT}",
        f"GEOMETRYCOLLECTION (POINT (1 2), GEOMETRYCOLLECTION (MULTIPOLYGON ({WKT.removeprefix('POLYGON ')})))",
        "POLYGON Z ((10 50 1, 30 50 1, 30 70 1, 10 70 1, 10 50 1))",
        "polygonz((10 50 1, 30 50 1, 30 70 1, 10 70 1, 10 50 1))",
    ],
)
def test_wkt_is_read_in_the_dialects_of_databases(text: str, tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", [{"location": text, "term": "a"}])
    assert (area(found), found.problems) == (400, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SRID=0;POINT (3 4)", "it is a POINT, which has no area"),
        ("LINESTRING (3 4, 9 9)", "it is a LINESTRING, which has no area"),
        ("CURVEPOLYGON ((1 2, 3 4, 5 6, 1 2))", "it has curves, which are not read"),
        ("GEOMETRYCOLLECTION (POINT (1 2))", "it is a GEOMETRYCOLLECTION, which has no area"),
        ("GEOMETRYCOLLECTION (" * 20 + "POINT (1 2)" + ")" * 20, "collections in each other, more than 16 deep"),
        ("0103000000", "it has WKT that cannot be read: '0103000000'"),
        (" ", "it has WKT that cannot be read: ' '"),
    ],
)
def test_wkt_without_an_area_is_named_for_what_it_is(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ContentError) as refusal:
        read(tmp_path / "x.json", [{"location": text, "term": "a"}])
    assert words in refusal.value.message


@pytest.mark.parametrize(
    "text",
    [
        f"ID;WKT;Term\n1;{WKT};a\n",
        f'id,location,term\n1,"{WKT}",a\n',
        f"\ufeffTerm\tGeometry\r\na\t{WKT}\r\n",
    ],
)
def test_cytomine_csv_is_read_with_its_separator(text: str, tmp_path: Path) -> None:
    found = read(tmp_path / "x.csv", text)
    (box,) = found.objects("a")
    assert (box.top, box.bottom, found.problems) == (10, 30, ())


def test_an_object_of_two_terms_belongs_to_both(tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", [{"location": WKT, "term": ["glomerulus", "sclerotic"]}])
    assert found.objects("glomerulus") == found.objects("sclerotic") != ()


def test_term_ids_without_names_are_their_numbers(tmp_path: Path) -> None:
    assert read(tmp_path / "x.json", [{"location": WKT, "term": [1234]}]).classes == {"1234"}


def test_cytomine_points_and_nested_collections_are_problems(tmp_path: Path) -> None:
    deep = "GEOMETRYCOLLECTION (" * 100_000
    places = ["POINT (3 4)", "", None, "POLYGON ((1 2", "POLYGON EMPTY", deep, {"x": 1}]
    rows = [{"id": i, "location": place, "term": "a"} for i, place in enumerate([*places, WKT])]
    found = read(tmp_path / "x.json", rows)
    assert [problem.partition(" was")[0] for problem in found.problems] == [f"annotation {i}" for i in range(7)]
    assert found.problems[0] == "annotation 0 was skipped: it is a POINT, which has no area"
    assert found.problems[3] == "annotation 3 was skipped: it has WKT that cannot be read: 'POLYGON ((1 2'"
    assert len(found.objects("a")) == 1


def test_annotations_of_several_images_are_refused(tmp_path: Path) -> None:
    rows = [{"location": WKT, "term": "a", "image": image} for image in (3, 4)]
    with pytest.raises(SourceError, match="2 images") as refusal:
        read(tmp_path / "x.json", rows)
    assert "each slide" in refusal.value.hint


def test_a_long_outline_fits_in_a_cell(tmp_path: Path) -> None:
    circle = shapely.Point(50, 40).buffer(30, quad_segs=4000)
    file = write_cytomine(tmp_path / "x.csv", [("a", circle)], 80)
    assert file.stat().st_size > 200_000
    assert area(open_labels(file, slide_width=100, slide_height=80)) == pytest.approx(circle.area, abs=4)
