"""Sub-classes: an object of one is an object of the classes above it, and is drawn as the nearest that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augengine.annotations import Labels, open_labels
from augengine.annotations.base import Drawn, class_key, lineage
from augengine.annotations.usable import outline_labels
from tests.support.annotation_files import read

BOXES = {"Glomerulus": 10, "Glomerulus: sclerosed": 20, "Glomerulus: sclerosed: global": 30, "Tubule": 5}
"""Class -> side of its square; the squares lie beside each other."""


def squares(**changes: Any) -> Labels:
    drawn, left = [], 0
    for name, side in BOXES.items():
        ring = [(left, 0), (left + side, 0), (left + side, side), (left, side)]
        drawn.append(Drawn(where=name, name=name, polygons=[[ring]], **changes))
        left += side
    return outline_labels(drawn, slide_width=100, slide_height=100, default_class=None)


def areas(labels: Labels, classes: Mapping[str, int]) -> dict[int, int]:
    mask = labels.mask(0, 0, downsample=1, height=100, width=100, classes=classes)
    return {value: int((mask == value).sum()) for value in set(classes.values()) - {0}}


def test_a_class_has_the_objects_of_its_sub_classes() -> None:
    found = squares()
    assert found.classes == {class_key(name) for name in BOXES}
    assert [len(found.objects(name)) for name in BOXES] == [3, 2, 1, 1]
    assert [len(found.outlines(name)) for name in BOXES] == [3, 2, 1, 1]
    assert areas(found, {"glomerulus": 1}) == {1: 100 + 400 + 900}
    assert areas(found, {"GLOMERULUS:  Sclerosed": 1}) == {1: 400 + 900}


def test_the_class_above_counts_as_seen_though_nothing_has_it_alone(tmp_path: Path) -> None:
    names = ["Glomerulus", "sclerosed"]
    geometry = {"type": "Polygon", "coordinates": [[[1, 1], [9, 1], [9, 9], [1, 9]]]}
    feature = {"type": "Feature", "geometry": geometry, "properties": {"classification": {"names": names}}}
    found = read(tmp_path / "x.json", [feature])
    assert found.classes == {"glomerulus", "glomerulus: sclerosed"}


@given(st.permutations([("glomerulus", 1), ("glomerulus: sclerosed", 2), ("glomerulus: sclerosed: global", 3)]))
def test_an_object_is_drawn_as_the_nearest_class_in_whatever_order(order: list[tuple[str, int]]) -> None:
    assert areas(squares(), dict(order)) == {1: 100, 2: 400, 3: 900}


def test_an_object_counts_once_for_the_nearest_class_asked_for_or_for_its_own() -> None:
    found = squares()
    assert list(found.counts(["Tubule", "glomerulus"]).items()) == [("tubule", 1), ("glomerulus", 3)]
    assert found.counts(["vessel", "Glomerulus:  sclerosed"]) == {
        "vessel": 0,
        "glomerulus: sclerosed": 2,
        "glomerulus": 1,
        "tubule": 1,
    }
    assert sum(found.counts([]).values()) == len(BOXES)


@pytest.mark.parametrize("order", [1, -1])
def test_id_0_cuts_a_sub_class_out(order: int) -> None:
    classes = dict([("glomerulus", 1), ("glomerulus: sclerosed", 0)][::order])
    assert areas(squares(), classes) == {1: 100}


def test_sub_classes_merge_with_their_class_under_one_id() -> None:
    assert areas(squares(), {"glomerulus": 1, "glomerulus: sclerosed": 1}) == areas(squares(), {"glomerulus": 1})


def test_a_name_is_split_where_qupath_splits_it() -> None:
    assert lineage("Tumor:Positive") == ("tumor:positive",)
    assert lineage("12:30") == ("12:30",)
    assert lineage("Tumor: Positive", ["Cells: All"]) == ("tumor: positive", "tumor", "cells: all", "cells")
    assert lineage(" ") == lineage("") == ()
    assert len(lineage("a: " * 1000 + "a")) == 1


def asap(groups: list[tuple[str, str]], part_of: str) -> str:
    corners = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate([(1, 1), (9, 1), (9, 9)]))
    drawn = (
        f'<Annotation Name="a" Type="Polygon" PartOfGroup="{part_of}"><Coordinates>{corners}</Coordinates></Annotation>'
    )
    named = "".join(f'<Group Name="{name}" PartOfGroup="{parent}"/>' for name, parent in groups)
    groups_named = f"<AnnotationGroups>{named}</AnnotationGroups>"
    return f"<ASAP_Annotations><Annotations>{drawn}</Annotations>{groups_named}</ASAP_Annotations>"


@pytest.mark.parametrize(
    ("groups", "classes"),
    [
        ([("Inner", "Middle"), ("Middle", "Outer"), ("Outer", "None")], {"inner", "middle", "outer"}),
        ([("Middle", "Outer"), ("Inner", "Middle"), ("Elsewhere", "Inner")], {"inner", "middle", "outer"}),
        ([("Inner", "Middle"), ("Middle", "Inner")], {"inner", "middle"}),
        ([("Inner", "Inner")], {"inner"}),
        ([], {"inner"}),
    ],
)
def test_a_group_of_asap_is_a_sub_class_of_the_groups_around_it(
    groups: list[tuple[str, str]], classes: set[str], tmp_path: Path
) -> None:
    found = read(tmp_path / "x.xml", asap(groups, "Inner"))
    assert found.classes == classes
    assert all(len(found.objects(name)) == 1 for name in classes)


def test_a_group_of_asap_within_the_class_asked_for_is_drawn(tile_cases: Path) -> None:
    found = open_labels(tile_cases / "08_asap_subgroup/s1.xml", slide_width=460, slide_height=420)
    assert found.classes == {"glomerulus", "sclerosed"}
    for classes in ({"glomerulus": 1}, {"sclerosed": 1}, {"sclerosed": 1, "glomerulus": 2}):
        mask = found.mask(0, 0, downsample=1, height=420, width=460, classes=classes)
        assert (mask == 1).sum() == 19_600


def test_two_names_of_one_id_are_one_class(tile_cases: Path) -> None:
    found = open_labels(tile_cases / "03_two_names_one_id/s1.geojson", slide_width=460, slide_height=420)
    mask = found.mask(0, 0, downsample=1, height=420, width=460, classes={"glomerulus": 1, "Glomerulus: sclerosed": 1})
    assert mask.sum() == 27_600
