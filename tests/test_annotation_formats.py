"""What each program writes, and how it is meant."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from roifile import ROI_TYPE, ImagejRoi
from shapely import Polygon

from augengine.annotations import Labels, open_labels
from augengine.errors import SourceError
from tests.annotation_files import read, write_asap, write_cytomine, write_geojson, write_labelme, zip_rois

SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]
HOLE = [[15, 15], [20, 15], [20, 20], [15, 20], [15, 15]]
POLYGON = {"type": "Polygon", "coordinates": [SQUARE]}


def area(labels: Labels, name: str = "a") -> int:
    mask = labels.mask(0, 0, downsample=1, height=80, width=100, classes={name: 1})
    return int(mask.sum())


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
        assert found.classes == {"tumor: positive"}


def test_holes_and_parts_of_a_multipolygon_are_one_object(tmp_path: Path) -> None:
    far = [[50, 50], [60, 50], [60, 60], [50, 60]]
    found = read(tmp_path / "x.json", feature({"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [far]]}))
    assert area(found) == 400 - 25 + 100
    (box,) = found.objects("a")
    assert (box.left, box.top, box.right, box.bottom) == (10, 10, 60, 60)


@pytest.mark.parametrize("properties", [None, {}, {"classification": None}, {"classification": {}}, [], {"name": " "}])
def test_an_object_without_a_class_takes_the_default_or_is_a_problem(properties: Any, tmp_path: Path) -> None:
    document = feature(POLYGON, properties=properties)
    skipped = read(tmp_path / "x.json", document)
    assert skipped.problems == ("feature 1 was skipped: it has no class, and no default class was given",)
    assert skipped.classes == frozenset()
    assert area(read(tmp_path / "x.json", document, default_class="A ")) == 400


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


def test_a_file_without_objects_is_no_error(tmp_path: Path) -> None:
    documents: list[Any] = [[], {"type": "FeatureCollection", "features": []}, {"shapes": []}, {"collection": []}]
    for document in documents:
        found = read(tmp_path / "x.json", document)
        assert (found.classes, found.problems, area(found)) == (frozenset(), (), 0)
    assert not read(tmp_path / "x.xml", "<ASAP_Annotations><Annotations/></ASAP_Annotations>").classes
    assert not read(tmp_path / "x.xml", "<Annotations><Annotation><Regions/></Annotation></Annotations>").classes


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
    found = read(tmp_path / "x.json", [{"id": i, "location": place, "term": "a"} for i, place in enumerate(places)])
    assert [problem.partition(" was")[0] for problem in found.problems] == [f"annotation {i}" for i in range(7)]
    assert found.problems[0] == "annotation 0 was skipped: it is a POINT, which has no area"
    assert found.problems[3] == "annotation 3 was skipped: it has WKT that cannot be read: 'POLYGON ((1 2'"
    assert not found.classes


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


def test_asap_sorts_coordinates_and_takes_the_group_as_class(tmp_path: Path) -> None:
    points = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in reversed(list(enumerate(SQUARE))))
    shuffled = points[points.index("/>") + 2 :] + points[: points.index("/>") + 2]
    annotation = '<Annotation Name="n" Type="{}" PartOfGroup="{}"><Coordinates>{}</Coordinates></Annotation>'
    drawn = [("Polygon", "a"), ("Rectangle", "None"), ("Dot", "a")]
    body = "".join(annotation.format(kind, group, shuffled) for kind, group in drawn)
    found = read(tmp_path / "x.xml", f"<ASAP_Annotations><Annotations>{body}</Annotations></ASAP_Annotations>")
    assert (area(found), len(found.objects("a"))) == (400, 1)
    assert [problem.partition(" was")[2] for problem in found.problems] == [
        " skipped: it has no class, and no default class was given",
        " skipped: it is a Dot, which has no area",
    ]


def _region(points: list[list[int]], **attributes: str) -> str:
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
    return f"<Region{written}><Attributes/><Vertices>{vertices}</Vertices></Region>"


def _layer(*regions: str, name: str = "", label: str = "") -> str:
    attributes = f'<Attributes><Attribute Name="Description" Value="{label}"/></Attributes>'
    return f'<Annotation Name="{name}">{attributes}<Regions>{"".join(regions)}</Regions></Annotation>'


@pytest.mark.parametrize(
    "layer",
    [
        _layer(_region(SQUARE, Text="b"), name="a", label="b"),
        _layer(_region(SQUARE, Text="b"), label="a"),
        _layer(_region(SQUARE, Text="a")),
        _layer(_region(SQUARE).replace("<Attributes/>", '<Attributes><Attribute Value="a"/></Attributes>')),
    ],
)
def test_an_aperio_class_is_the_layers_then_the_regions(layer: str, tmp_path: Path) -> None:
    found = read(tmp_path / "x.xml", f"<Annotations>{layer}</Annotations>")
    assert found.classes == {"a"}
    assert area(found) == 400


def test_aperio_ellipses_rulers_and_negative_regions(tmp_path: Path) -> None:
    first = _layer(_region(SQUARE), _region(HOLE, NegativeROA="1"), _region(SQUARE, Type="4"), name="a")
    second = _layer(_region([[40, 20], [80, 60]], Type="2"), _region(HOLE[:2], NegativeROA="1"), name="round")
    found = read(tmp_path / "x.xml", f"<Annotations>{first}{second}</Annotations>")
    assert area(found) == 400 - 25
    assert area(found, "round") == pytest.approx(np.pi * 400, abs=8)
    assert found.problems == (
        "region 3 of layer 1 was skipped: it is a ruler, which has no area",
        "region 2 of layer 2 was skipped: it is negative, and its outline encloses nothing",
    )


def test_labelme_shapes_are_read(tmp_path: Path) -> None:
    shapes = [
        {"label": "a", "points": SQUARE},
        {"label": "box", "points": [[30, 30], [10, 10]], "shape_type": "rectangle"},
        {"label": "round", "points": [[50, 40], [50, 60]], "shape_type": "circle"},
        {"label": "a", "points": [[3, 4]], "shape_type": "point"},
        {"label": "a", "points": [[3, 4]], "shape_type": "circle"},
        "nonsense",
    ]
    found = read(tmp_path / "x.json", {"shapes": shapes, "imageWidth": 100, "imageHeight": 80})
    assert (area(found), area(found, "box")) == (400, 400)
    assert area(found, "round") == pytest.approx(np.pi * 400, abs=8)
    assert [problem.partition(" was")[0] for problem in found.problems] == ["shape 4", "shape 5", "shape 6"]


def test_labelme_on_a_smaller_picture_is_scaled_to_the_slide(tmp_path: Path) -> None:
    file = write_labelme(tmp_path / "x.json", [("a", shapely.box(5, 5, 15, 15))], width=50, height=40)
    (box,) = open_labels(file, slide_width=100, slide_height=80).objects("a")
    assert (box.left, box.top, box.right, box.bottom) == (10, 10, 30, 30)
    with pytest.raises(SourceError, match="not the shape of the slide"):
        open_labels(file, slide_width=100, slide_height=100)


@pytest.mark.parametrize("side", [None, 0, -5, 10**400, "100", 1.5])
def test_labelme_without_a_sensible_size_is_taken_at_level_0(side: Any, tmp_path: Path) -> None:
    document = {"shapes": [{"label": "a", "points": SQUARE}], "imageWidth": side, "imageHeight": 80}
    assert area(read(tmp_path / "x.json", document)) == 400


def test_problems_are_short_whatever_the_file_says(tmp_path: Path) -> None:
    annotation = f'<Annotation Name="{"n" * 100_000}" Type="{"t" * 100_000}"/>'
    (problem,) = read(tmp_path / "x.xml", f"<ASAP_Annotations>{annotation}</ASAP_Annotations>").problems
    assert len(problem) < 500


def _roi(kind: ROI_TYPE, name: str, **fields: Any) -> ImagejRoi:
    return ImagejRoi(roitype=kind, name=name, version=228, **fields)


def test_imagej_regions_are_read(tmp_path: Path) -> None:
    freehand = ImagejRoi.frompoints(np.array(SQUARE[:4]), name="a-1")
    freehand.roitype = ROI_TYPE.FREEHAND
    sides = {"left": 10, "top": 20, "right": 50, "bottom": 60}
    ring = np.array(
        [0, 10, 10, 1, 30, 10, 1, 30, 30, 1, 10, 30, 4, 0, 15, 15, 1, 20, 15, 1, 20, 20, 1, 15, 20, 4], "f4"
    )
    composite = _roi(ROI_TYPE.RECT, "ring", shape_roi_size=len(ring), multi_coordinates=ring)
    found = read(
        tmp_path / "x.zip",
        zip_rois(
            freehand,
            _roi(ROI_TYPE.OVAL, "round 2", **sides),
            _roi(ROI_TYPE.RECT, "box", **sides),
            composite,
            _roi(ROI_TYPE.RECT, "0040-0030", group=3, **sides),
            _roi(ROI_TYPE.RECT, "0040-0030", **sides),
            _roi(ROI_TYPE.LINE, "line"),
        ),
    )
    assert found.classes == {"a", "round", "box", "ring", "group 3"}
    assert (area(found), area(found, "box"), area(found, "ring")) == (400, 1600, 400 - 25)
    assert area(found, "round") == pytest.approx(np.pi * 400, abs=8)
    assert [problem.partition("it ")[2] for problem in found.problems] == [
        "has no class, and no default class was given",
        "is a line, which has no area",
    ]


def test_one_roi_needs_no_zip(tmp_path: Path) -> None:
    roi = ImagejRoi.frompoints(np.array(SQUARE[:4]), name="a")
    roi.roitype = ROI_TYPE.POLYGON
    assert area(read(tmp_path / "x.roi", roi.tobytes())) == 400


def test_a_damaged_region_does_not_touch_its_neighbours(tmp_path: Path) -> None:
    good = ImagejRoi.frompoints(np.array(SQUARE[:4]), name="a")
    good.roitype = ROI_TYPE.POLYGON
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("short.roi", good.tobytes()[:70])
        opened.writestr("good.roi", good.tobytes())
        opened.writestr("notes.txt", "not a region")
    found = read(tmp_path / "x.zip", packed.getvalue())
    assert area(found) == 400
    assert [problem.partition(":")[0] for problem in found.problems] == ["region short was skipped"]


def test_the_content_tells_the_format_not_the_extension(tmp_path: Path) -> None:
    file = write_geojson(tmp_path / "x.xml", [("a", Polygon(SQUARE))])
    assert area(open_labels(file, slide_width=100, slide_height=80)) == 400
    assert area(read(tmp_path / "y.json", json.dumps(feature(POLYGON)).encode("utf-16"))) == 400
