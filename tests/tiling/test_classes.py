"""Classes over all slides: counted, refused where they are nowhere, and named where nobody asked for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from augengine.errors import SourceError
from augengine.jobs import Report
from augengine.tiling.classes import check_classes, class_notes, count_classes, unseen_ids
from augengine.tiling.listing import ListedSlide
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey

TWO = TileSpec(classes=(("glomerulus", 1), ("tubule", 2)))


def surveys(*objects: Mapping[str, int] | None) -> list[Survey]:
    return [
        Survey(slide=ListedSlide(key=f"s{i}", path=f"s{i}.tif"), spec="", objects=each)
        for i, each in enumerate(objects)
    ]


def test_a_class_that_some_slides_lack_is_counted_by_slide() -> None:
    found = count_classes(surveys({"glomerulus": 3, "tubule": 0}, {"glomerulus": 0, "tubule": 1, "vessel": 7}), TWO)
    assert found.to_json() == {
        "classes": {
            "glomerulus": {"objects": 3, "slides": 1, "id": 1},
            "tubule": {"objects": 1, "slides": 1, "id": 2},
        },
        "classes_not_asked_for": {"vessel": 7},
    }
    assert (
        found.sentence() == "objects: 3 glomerulus on 1 of 2 slides, 1 tubule on 1 of 2 slides; not asked for: 7 vessel"
    )


def test_each_class_that_is_nowhere_is_refused_with_what_was_probably_meant() -> None:
    seen = {"glomerulus": 3, "tubule": 0, "tubuli": 2, "vessel": 9}
    with pytest.raises(SourceError, match=r"the class 'tubule' is on no slide; annotated are .* 2 tubuli") as caught:
        check_classes(surveys(seen, None), TWO)
    assert '--classes "tubuli=2"' in caught.value.hint
    with pytest.raises(SourceError, match=r"the classes 'glomerulus', 'tubule' are on no slide; annotated are 1 x"):
        check_classes(surveys({"x": 1}), TWO)


def test_one_of_several_names_for_an_id_is_enough() -> None:
    spec = TileSpec(classes=(("glomerulus", 1), ("glomeruli", 1)))
    check_classes(surveys({"glomerulus": 0, "glomeruli": 4}), spec)
    with pytest.raises(SourceError, match="are on no slide"):
        check_classes(surveys({"glomerulus": 0, "glomeruli": 0, "x": 1}), spec)


def test_a_class_of_which_all_objects_are_of_a_sub_class_is_not_missing() -> None:
    spec = TileSpec(classes=(("glomerulus", 1), ("glomerulus: sclerosed", 2)))
    (survey,) = surveys({"glomerulus": 0, "glomerulus: sclerosed": 3})
    found = [replace(survey, present=("glomerulus", "glomerulus: sclerosed"))]
    check_classes(found, spec)
    assert not list(class_notes(found, spec))


def test_slides_on_which_nothing_was_found_are_no_fault_but_no_tile_is_centred_on_them() -> None:
    nothing = surveys({"glomerulus": 0, "tubule": 0})
    check_classes(nothing, TWO)
    check_classes(surveys(None), TWO)
    check_classes([], TileSpec())
    with pytest.raises(SourceError, match="nothing is annotated on any slide"):
        check_classes(nothing, TileSpec(classes=TWO.classes, centred_on="glomerulus"))


def test_a_refusal_names_the_slides_that_failed_since_the_class_may_be_on_them() -> None:
    found = surveys({"glomerulus": 0, "tubule": 2}, None)
    failed = replace(found[1], error="it does not state its um/px")
    with pytest.raises(SourceError, match=r"'glomerulus' is on no slide; .*failed: s1: it does not state its um/px$"):
        check_classes([found[0], failed], TWO)


def test_a_name_that_is_nowhere_is_said_though_its_id_is_found() -> None:
    spec = TileSpec(classes=(("glomerulus", 1), ("glomus", 1), ("hole", 0), ("fold", 0)))
    found = surveys({"glomerulus": 3, "glomus": 0, "hole": 2, "fold": 0})
    assert list(class_notes(found, spec)) == ["the class 'glomus' is on no slide", "the class 'fold' is on no slide"]
    assert not list(class_notes(surveys({"glomerulus": 0}), spec))


@pytest.mark.parametrize(
    ("other", "near"),
    [("glomerulu", True), ("glomeruli", True), ("tubules", True), ("vessel", False), ("glomerulus sclerosed", False)],
)
def test_a_class_that_is_spelt_nearly_as_one_that_was_asked_for_is_said(other: str, near: bool) -> None:
    notes = list(class_notes(surveys({"glomerulus": 3, "tubule": 1}, {other: 4}), TWO))
    assert len(notes) == near
    assert all(f"{other} resembles " in note and f'--classes "{other}=' in note for note in notes)


def test_numbered_classes_are_no_spellings_of_each_other() -> None:
    assert not list(class_notes(surveys({"grade 3": 1, "grade 4": 2}), TileSpec(classes=(("grade 3", 1),))))


def test_an_id_with_objects_and_without_mask_pixels_is_said() -> None:
    found = surveys({"glomerulus": 2, "tubule": 1}, {"glomerulus": 1, "tubule": 0})
    reports = [Report(output="a", class_pixels={0: 9, 2: 7}), Report(output="b", class_pixels={0: 9})]
    (note,) = unseen_ids(reports, found, TWO)
    assert note.startswith(
        "no mask has a pixel of id 1, though there are annotations (3 objects of glomerulus): a later class"
    )
    (note,) = unseen_ids(reports, found, TileSpec(classes=TWO.classes, random=5))
    assert note.endswith("no tile shows them")
    assert not list(unseen_ids([*reports, Report(output="c", class_pixels={1: 1})], found, TWO))
    assert not list(unseen_ids(reports, surveys(None), TWO))
