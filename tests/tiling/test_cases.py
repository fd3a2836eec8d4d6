"""Slides and annotations as people have them, each once misread in silence: now they are read, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augengine.errors import SourceError
from augengine.tiling import TileSummary
from tests.support.datasets import members, record
from tests.support.pictures import decode
from tests.support.places import SHARED_CASES
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e

CASES = SHARED_CASES / "tile"
GLOMERULUS = ("glomerulus=1",)


@pytest.fixture(autouse=True)
def _needs_the_cases() -> None:
    if not CASES.is_dir():
        pytest.skip("the cases are not beside the checkout")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def tile_case(name: str, out: Path, **options: Any) -> TileSummary:
    return cut(CASES / name, out, **options)


def mask_px(summary: TileSummary) -> int:
    return summary.outcome.class_pixels.get(1, 0)


@pytest.mark.parametrize("how", [{}, {"random": 5}, {"centred_on": "glomerulus"}], ids=str)
def test_a_class_on_no_slide_is_refused_with_the_classes_that_are(how: dict[str, Any], out: Path) -> None:
    with pytest.raises(SourceError, match=r"'glomerulus' is on no slide; annotated are 1 glomeruli") as caught:
        tile_case("01_class_nowhere", out, classes=GLOMERULUS, **how)
    assert '--classes "glomeruli=1"' in caught.value.hint
    summary = tile_case("01_class_nowhere", out, classes=("Glomeruli=1",))
    assert mask_px(summary) == 19_600
    assert summary.objects_sentence() == "objects: 1 glomeruli; 16 tiles with mask pixels: 19600 of 1 (glomeruli)"


def test_um_per_px_are_filled_in_only_where_a_slide_states_none(out: Path) -> None:
    summary = tile_case("02_slide_mpp", out, slide_mpp=0.5)
    assert summary.complete()
    found = {survey.slide.key: (survey.downsample, survey.mpp) for survey in summary.surveys}
    assert found == {"says_nothing": (1.0, 0.5), "says_quarter": (2.0, 0.5)}
    assert "says_quarter: it states 0.25 um/px, so --slide-mpp 0.5 was not used" in summary.outcome.notes


def test_a_run_that_wrote_no_tile_leaves_its_folder_free(out: Path) -> None:
    mute = "02_slide_mpp/says_nothing.tif"
    first = tile_case(mute, out)
    assert (first.tiles, first.complete()) == (0, False)
    assert "--slide-mpp" in first.failure_lines()[0]
    second = tile_case(mute, out, slide_mpp=0.5, size=64)
    assert (second.tiles, second.complete()) == (42, True)


def test_um_per_px_may_be_added_for_slides_that_were_refused_for_want_of_them(out: Path) -> None:
    first = tile_case("02_slide_mpp", out)
    assert (first.failed_slides, first.tiles) == (1, 9)
    second = tile_case("02_slide_mpp", out, slide_mpp=0.5)
    assert (second.complete(), second.tiles, second.resumed) == (True, 51, 1)


def test_several_names_share_an_id(out: Path) -> None:
    summary = tile_case("03_two_names_one_id", out, classes=(*GLOMERULUS, "Glomerulus: sclerosed=1"))
    assert mask_px(summary) == 27_600


def test_id_0_cuts_a_class_out(out: Path) -> None:
    summary = tile_case("04_id_0", out, classes=(*GLOMERULUS, "hole=0"))
    assert mask_px(summary) == 17_100


def test_the_largest_image_of_a_file_is_the_slide(out: Path) -> None:
    assert tile_case("05_label_first", out).tiles == 42


def test_an_annotation_file_of_which_nothing_can_be_used_fails_its_slide(out: Path) -> None:
    summary = tile_case("07_no_class", out, classes=GLOMERULUS)
    (line,) = summary.failure_lines()
    assert line.startswith("s1: ")
    assert "no class" in line
    assert not summary.complete()


def test_a_halo_file_is_read(out: Path) -> None:
    assert mask_px(tile_case("06_halo_xml", out, classes=GLOMERULUS)) == 19_600


def test_a_group_inside_a_group_counts_as_the_outer_one(out: Path) -> None:
    assert mask_px(tile_case("08_asap_subgroup", out, classes=GLOMERULUS)) == 19_600


def test_an_object_beyond_the_last_whole_tile_is_shown(out: Path) -> None:
    assert mask_px(tile_case("09_remainder", out, classes=GLOMERULUS, size=200)) == 500


@pytest.mark.parametrize("table", ["brackets", "semicolons", "no_extension", "blank_row", "header_case"])
def test_the_patients_file_is_read_as_people_write_it(table: str, out: Path) -> None:
    summary = tile_case("10_csv/s", out, patients=CASES / "10_csv" / f"{table}.csv")
    found = [(survey.slide.patient, survey.slide.split) for survey in summary.surveys]
    assert found == [("p1", "train"), ("p2", "test")]


def test_colours_in_planes_apart_are_read(out: Path) -> None:
    assert tile_case("11_planes_apart", out).tiles == 42


def test_black_fill_is_neither_tissue_nor_glass(out: Path) -> None:
    summary = tile_case("12_black_fill", out, background=5)
    assert summary.kinds["background"] == 5
    for name, data in members(out).items():
        if name.endswith(".png"):
            black = (decode(data) == 0).all(axis=2).mean()
            assert black == 0 if record(out, name.partition(".")[0])["class"] == "background" else black <= 0.5


def test_grey_glass_is_no_tissue(out: Path) -> None:
    summary = tile_case("13_grey_glass", out, background=2)
    # Three tiles are tissue by more than half; the smoothing that bridges lumens adds a border of 12 um to a fourth.
    assert summary.kinds == {"tissue": 4, "background": 2}


def test_files_of_other_kinds_are_counted_and_named(out: Path) -> None:
    summary = tile_case("14_other_kinds", out)
    assert summary.outcome.notes[0] == "2 files of other kinds (.isyntax, .vsi) were left out"
    assert summary.outcome.notes[1].startswith("s1: all of it counts as tissue")
    assert summary.to_json()["notes"] == list(summary.outcome.notes)
    assert record(out, next(iter(members(out))).partition(".")[0])["slide"] == "s1"
