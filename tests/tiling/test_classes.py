"""Classes over all slides: counted, refused where they are nowhere, and named where nobody asked for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from augengine.errors import SourceError
from augengine.tiling.classes import check_classes, count_classes
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
    check_classes([replace(survey, present=("glomerulus", "glomerulus: sclerosed"))], spec)


def test_slides_on_which_nothing_was_found_are_no_fault_but_no_tile_is_centred_on_them() -> None:
    nothing = surveys({"glomerulus": 0, "tubule": 0})
    check_classes(nothing, TWO)
    check_classes(surveys(None), TWO)
    check_classes([], TileSpec())
    with pytest.raises(SourceError, match="nothing is annotated on any slide"):
        check_classes(nothing, TileSpec(classes=TWO.classes, centred_on="glomerulus"))
