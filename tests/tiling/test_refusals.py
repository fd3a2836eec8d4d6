"""What is not tiled: other slides into the same folder, patients in two splits, and what makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augengine.errors import AugengineError, PlanMismatch, SourceError
from augengine.runs import read_plan
from tests.support.annotated_slide import slide as slide
from tests.support.datasets import keys
from tests.support.pictures import Pixels
from tests.support.slide_files import picture as picture
from tests.support.slide_files import write_slide
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e


def test_a_patient_in_two_splits_is_refused(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("file,patient,split\ns.tif,anna,train\nt.tif,anna,test\n")
    with pytest.raises(SourceError, match="the patient anna is in two splits"):
        cut(slide, tmp_path / "out", patients=tmp_path / "split.csv")
    (tmp_path / "split.csv").write_text("file,patient,split\ns.t*,anna,train\ns*,berta,test\n")
    with pytest.raises(SourceError, match="matches 2 patients"):
        cut(slide, tmp_path / "out", patients=tmp_path / "split.csv")
    assert not (tmp_path / "out").exists()


def test_another_tiling_in_the_same_folder_is_refused(slide: Path, picture: Pixels, tmp_path: Path) -> None:
    cut(slide, tmp_path / "out", random=2)
    with pytest.raises(PlanMismatch, match="random was 2, is now 3"):
        cut(slide, tmp_path / "out", random=3)
    other = write_slide(tmp_path / "t.tif", picture)
    with pytest.raises(PlanMismatch, match="t was not among the slides"):
        cut([slide, other], tmp_path / "out", random=2)
    with pytest.raises(PlanMismatch, match="holds tiles of slides, not augmented shards"):
        read_plan(tmp_path / "out")


def test_two_slides_of_one_name_are_told_apart_by_their_folders(picture: Pixels, tmp_path: Path) -> None:
    for patient in ("anna", "berta"):
        (tmp_path / "slides" / patient).mkdir(parents=True)
        write_slide(tmp_path / "slides" / patient / "s.tif", picture)
    assert cut(tmp_path / "slides", tmp_path / "out", random=1).complete()
    assert [key.partition("_x")[0] for key in keys(tmp_path / "out")] == ["anna_s", "berta_s"]
    both = [tmp_path / "slides" / patient / "s.tif" for patient in ("anna", "berta")]
    summary = cut(both, tmp_path / "elsewhere", random=1)
    assert [survey.slide.key for survey in summary.surveys] == ["anna_s", "berta_s"]
    assert list(summary.outcome.notes) == ["2 slides share their names: their tiles are called anna_s, berta_s"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"annotations": Path("nowhere"), "classes": ("a=1",)}, "there is no folder nowhere"),
        ({"annotations": Path(__file__).parent}, "annotations without classes"),
        ({"out": Path("s3://bucket/out")}, "no local folder"),
        ({"ray_address": "ray://127.0.0.1:10001"}, "no nodes"),
        ({"tiles_per_shard": 0}, "tiles per shard"),
        ({"slides": ("nothing-*.svs",)}, "nothing matches"),
        ({"slides": ("nothing.svs",)}, "there is no slide"),
        ({"slides": (str(Path(__file__).parent),)}, "holds no slide"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    options: dict[str, Any], said: str, slide: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from augengine.tiling import tile
    from tests.support.datasets import Listener
    from tests.support.tilings import request

    with pytest.raises(AugengineError, match=said) as caught:
        tile(replace(request(slide, tmp_path / "out"), **options), Listener())
    assert caught.value.hint
    assert not (tmp_path / "out").exists()
