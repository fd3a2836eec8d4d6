"""Objects that cannot be used: notes beside good ones, and a refusal where there are no others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from augengine.annotations import open_labels
from augengine.errors import ContentError
from tests.support.annotation_files import HOLE, SQUARE, area, read
from tests.support.pictures import encode


def feature(ring: Sequence[Sequence[float]], name: str | None = "a", kind: str = "Polygon") -> dict[str, Any]:
    coordinates: Any = [ring] if kind == "Polygon" else ring[0]
    properties = {"classification": name and {"name": name}}
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


FAR = [[x + 500, y] for x, y in SQUARE]


@pytest.mark.parametrize(
    ("features", "words", "hint"),
    [
        (
            [feature(SQUARE, None)] * 4,
            r"none of the 4 objects in .*x\.json can be used: it has no class, and no default class was given \(4\)$",
            "--default-class",
        ),
        (
            [feature(SQUARE, " "), feature(FAR), feature(FAR)],
            r"outside the slide of 100 x 80 px \(2\); it has no class.* \(1\)$",
            "the annotation of that slide",
        ),
        (
            [feature(FAR)],
            r"the only object in .*x\.json cannot be used: it lies .*\(x 510 to 530, y 10 to 30\)$",
            "slide",
        ),
        (
            [feature([[x / 100, y / 100] for x, y in SQUARE])] * 2,
            r"it is smaller than a pixel \(2\)$",
            "level-0 pixels, and not millimetres",
        ),
        ([feature(SQUARE, kind="Point")] * 2, r"it is a Point, which has no area \(2\)$", "closed outlines"),
        (
            [None, feature(SQUARE, None), feature(SQUARE[:2]), feature(FAR), feature(SQUARE, kind="Point")],
            r"none of the 5 objects .*; other reasons \(2\)$",
            "closed outlines",
        ),
    ],
)
def test_a_file_of_whose_objects_none_can_be_used_is_refused(
    features: list[Any], words: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(ContentError, match=words) as refusal:
        read(tmp_path / "x.json", features)
    assert hint in refusal.value.hint


@pytest.mark.parametrize(
    "content",
    [
        '<ASAP_Annotations><Annotation Type="Dot" PartOfGroup="a"/></ASAP_Annotations>',
        '<Annotations><Annotation Name="a"><Regions><Region Type="4"/></Regions></Annotation></Annotations>',
        {"shapes": [{"label": "a", "shape_type": "line", "points": [[1, 1], [9, 9]]}]},
        [{"location": "POINT (3 4)", "term": "a"}],
    ],
)
def test_it_is_refused_in_every_format(content: Any, tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"the only object in .* cannot be used: it "):
        read(tmp_path / "x", content)


def test_negative_regions_alone_have_nothing_to_be_taken_out_of(tmp_path: Path) -> None:
    vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in SQUARE)
    region = f'<Region NegativeROA="1"><Vertices>{vertices}</Vertices></Region>'
    with pytest.raises(ContentError, match="nothing to take it out of"):
        read(tmp_path / "x.xml", f"<Annotations><Annotation><Regions>{region}</Regions></Annotation></Annotations>")


def test_one_good_object_keeps_the_file(tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", [feature(FAR), feature(SQUARE), feature(SQUARE, None)])
    assert (area(found), len(found.problems)) == (400, 2)


def test_outlines_are_what_was_drawn_and_holes_are_rings_of_their_own(tmp_path: Path) -> None:
    holed = feature(SQUARE)
    holed["geometry"]["coordinates"] = [SQUARE, HOLE]
    found = read(tmp_path / "x.json", [holed, feature(FAR, "b"), feature(HOLE, "c")])
    outer, hole = found.outlines(" A ")
    assert shapely.Polygon(outer, [hole]).equals(shapely.Polygon(SQUARE, [HOLE]))
    assert all(ring.dtype == np.float64 and np.array_equal(ring[0], ring[-1]) for ring in (outer, hole))
    assert len(found.outlines("c")) == 1
    assert found.outlines("b") == found.outlines("unknown") == ()


def test_skipped_outlines_are_those_of_objects_that_have_an_area(tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", [feature(SQUARE), feature(HOLE, None), feature(FAR), feature(SQUARE[:2])])
    assert [shapely.Polygon(ring).bounds for ring in found.skipped] == [(15, 15, 20, 20), (510, 10, 530, 30)]


def test_the_objects_of_a_mask_image_are_outlined_by_their_boxes(tmp_path: Path) -> None:
    ids = np.zeros((40, 50), np.uint8)
    ids[5:10, 20:30] = 7
    found = read(tmp_path / "x.png", encode(ids))  # at half the slide's resolution
    (ring,) = found.outlines("7")
    assert ring.tolist() == [[40, 10], [60, 10], [60, 20], [40, 20], [40, 10]]
    assert (found.outlines("1"), found.skipped) == ((), ())


def test_a_file_without_classes_is_refused(tile_cases: Path) -> None:
    file = tile_cases / "07_no_class/s1.geojson"
    with pytest.raises(ContentError, match=r"the only object in .*s1\.geojson cannot be used: it has no class"):
        open_labels(file, slide_width=460, slide_height=420)
    found = open_labels(file, slide_width=460, slide_height=420, default_class="glomerulus")
    mask = found.mask(0, 0, downsample=1, height=420, width=460, classes={"glomerulus": 1})
    assert mask.sum() == 19_600
