"""What ASAP, ImageScope, LabelMe and ImageJ write, and how it is meant."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from roifile import ROI_TYPE, ImagejRoi

from augengine.annotations import open_labels
from augengine.errors import ContentError, SourceError
from tests.support.annotation_files import HOLE, SQUARE, area, mask_shape, read, write_labelme, zip_rois
from tests.support.pictures import encode


def test_a_file_without_objects_is_no_error(tmp_path: Path) -> None:
    documents: list[Any] = [[], {"type": "FeatureCollection", "features": []}, {"shapes": []}, {"collection": []}]
    for document in documents:
        found = read(tmp_path / "x.json", document)
        assert (found.classes, found.problems, area(found)) == (frozenset(), (), 0)
    assert not read(tmp_path / "x.xml", "<ASAP_Annotations><Annotations/></ASAP_Annotations>").classes
    assert not read(tmp_path / "x.xml", "<Annotations><Annotation><Regions/></Annotation></Annotations>").classes


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


def test_labelme_masks_are_the_pixels_that_they_mark(tmp_path: Path) -> None:
    ids = np.zeros((30, 40), np.uint8)
    ids[2:28, 3:37], ids[10:20, 10:20], ids[29, 39] = 1, 0, 255  # a hole, and a pixel of its own
    shapes = [mask_shape("a", ids, left=20, top=30), mask_shape("b", ids[:, ::-1] > 0, left=50, top=2)]
    found = read(tmp_path / "x.json", {"shapes": shapes, "imageWidth": 100, "imageHeight": 80})
    drawn = np.zeros((80, 100), np.uint8)
    drawn[30:60, 20:60] = ids > 0
    assert np.array_equal(found.mask(0, 0, downsample=1, height=80, width=100, classes={"a": 1}), drawn)
    (box,) = found.objects("a")
    assert (box.left, box.top, box.right, box.bottom) == (23, 32, 60, 60)
    assert (len(found.objects("b")), found.problems) == (1, ())


def test_a_labelme_mask_is_scaled_with_its_picture(tmp_path: Path) -> None:
    shape = mask_shape("a", np.ones((10, 20), np.uint8), left=5, top=6)
    (box,) = read(tmp_path / "x.json", {"shapes": [shape], "imageWidth": 50, "imageHeight": 40}).objects("a")
    assert (box.left, box.top, box.right, box.bottom) == (10, 12, 50, 32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": None}, "has no mask that can be read"),
        ({"mask": "&&&"}, "has no mask that can be read"),
        ({"mask": base64.b64encode(b"GIF89a").decode()}, "a mask that is no PNG"),
        ({"mask": base64.b64encode(encode(np.zeros((10, 20), np.uint8))).decode()}, "in which nothing is marked"),
        ({"mask": base64.b64encode(encode(np.zeros((10, 20, 3), np.uint8))).decode()}, "mode RGB, not 8-bit class ids"),
        ({"points": [[5, 6]]}, "without a box of two corners"),
        ({"points": [[5, 6], [float("nan"), 6]]}, "without a box of two corners"),
        ({"points": [[5, 6], [1e300, 6]]}, "without a box of two corners"),
        ({"points": [[5, 6], [50, 60]]}, "a mask of 20 x 10 px in a box of 46 x 55 px"),
    ],
)
def test_a_labelme_mask_that_cannot_be_used_is_named(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    shape = mask_shape("a", np.ones((10, 20), np.uint8), left=5, top=6)
    found = read(tmp_path / "x.json", {"shapes": [shape, shape | change]})
    assert len(found.objects("a")) == 1
    (problem,) = found.problems
    assert problem.startswith("shape 2 was skipped: it ")
    assert words in problem


def _halo_region(points: list[list[int]], **attributes: str) -> str:
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    vertices = "".join(f'<V X="{x}" Y="{y}" />' for x, y in points)
    return f"<Region{written}><Vertices>{vertices}</Vertices><Comments /></Region>"


def test_regions_of_halo_are_read(tmp_path: Path) -> None:
    corners = [[40, 20], [80, 60]]
    regions = [
        _halo_region(SQUARE[:4], Type="Polygon", HasEndcaps="0", NegativeROA="0"),
        _halo_region(HOLE[:4], Type="Polygon", HasEndcaps="0", NegativeROA="1"),
        _halo_region(corners, Type="Ruler", HasEndcaps="1"),
        _halo_region(SQUARE, Type="Polygon", HasEndcaps="1"),
        _halo_region(corners[:1], Type="Pin"),
    ]
    first = f'<Annotation LineColor="65535" Name="a" Visible="True"><Regions>{"".join(regions)}</Regions></Annotation>'
    second = f'<Annotation Name="round"><Regions>{_halo_region(corners, Type="Ellipse")}</Regions></Annotation>'
    third = f'<Annotation Name="box"><Regions>{_halo_region(corners[::-1], Type="Rectangle")}</Regions></Annotation>'
    found = read(tmp_path / "x.annotations", f"<Annotations>{first}{second}{third}</Annotations>")
    assert (area(found), area(found, "box")) == (400 - 25, 1600)
    assert area(found, "round") == pytest.approx(np.pi * 400, abs=8)
    assert [problem.partition("it is ")[2] for problem in found.problems] == [
        "a ruler, which has no area",
        "a line, which has no area",
        "a pin, which has no area",
    ]


def test_halos_xml_of_the_case_is_read(tile_cases: Path) -> None:
    found = open_labels(tile_cases / "06_halo_xml/s1.xml", slide_width=460, slide_height=420)
    mask = found.mask(0, 0, downsample=1, height=420, width=460, classes={"glomerulus": 1})
    assert (mask.sum(), found.problems) == (19_600, ())


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
    odd = f'<Annotation Name="{"n" * 100_000}" Type="{"t" * 100_000}"/>'
    corners = "".join(f'<Coordinate X="{x}" Y="{y}"/>' for x, y in SQUARE)
    good = f'<Annotation PartOfGroup="a"><Coordinates>{corners}</Coordinates></Annotation>'
    (problem,) = read(tmp_path / "x.xml", f"<ASAP_Annotations>{odd}{good}</ASAP_Annotations>").problems
    assert len(problem) < 500
    with pytest.raises(ContentError) as refusal:
        read(tmp_path / "x.xml", f"<ASAP_Annotations>{odd * 40}</ASAP_Annotations>")
    assert len(refusal.value.message) < 500


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
