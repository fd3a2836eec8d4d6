"""What docs/guide/hubmap.md tells people to type is typed here, on small files of the set's layout."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage.measure import find_contours

from augengine.cli.main import main
from augengine.errors import SourceError
from augengine_train.experiments.organ_cores import UNITS, read_cores
from augengine_train.unet.tiles import find_tiles
from tests.docs.test_pages import blocks
from tests.support.places import ROOT
from tests.support.segmenter_tiles import glomerulus
from tests.support.typed_lines import type_lines

PAGE = ROOT / "docs" / "guide/hubmap.md"
SIDE = 160
TOYS = {
    "augengine tile": "--size 64 --mpp 0.4",
    "augengine train compare": "--width 2 --depth 2 --crop 32 --steps 1 --variants 1 --marker-threshold 0.1",
}


CORES = [(10, "kidney", 20), (100, "kidney", 31), (101, "kidney", 31), (1011, "kidney", 44), (203, "lung", 50)]
"""Number, organ, age; the numbers are beginnings of each other."""


def runs_of(mask: np.ndarray) -> str:
    """Run lengths as the set has them: from 1, down the columns."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]])
    changes = np.flatnonzero(np.diff(flat)) + 1
    return " ".join(f"{start} {end - start}" for start, end in zip(changes[::2], changes[1::2], strict=True))


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """Five cores, four of a kidney; two of these are of one sex and age."""
    for folder in ("train_images", "train_annotations"):
        (tmp_path / folder).mkdir()
    rows = ["id,organ,data_source,img_height,img_width,pixel_size,tissue_thickness,rle,age,sex"]
    for number, (name, organ, age) in enumerate(CORES):
        picture, mask = glomerulus(SIDE, number)
        Image.fromarray(picture).save(tmp_path / "train_images" / f"{name}.tiff")
        rings = find_contours(np.pad(mask, 1).astype(float), 0.5)  # type: ignore[no-untyped-call]
        points = [[[float(x) - 0.5, float(y) - 0.5] for y, x in ring[:-1]] for ring in rings]
        (tmp_path / "train_annotations" / f"{name}.json").write_text(json.dumps(points))
        rows.append(f"{name},{organ},HPA,{SIDE},{SIDE},0.4,4,{runs_of(mask)},{age},Female")
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def typed() -> list[str]:
    lines = [line for block in blocks(PAGE) for line in block.splitlines()]
    return [line for line in lines if line.startswith("augengine ")]


@pytest.mark.e2e
def test_the_commands_lead_from_the_files_to_the_table(downloaded: Path) -> None:
    assert len(typed()) == 3
    type_lines(typed(), downloaded, toys=TOYS)
    tiles = find_tiles([str(downloaded / "tiles")])
    assert {tile.patient for tile in tiles} == {"Female-20", "Female-31", "Female-44"}
    assert {tile.mpp for tile in tiles} == {0.4}
    found = json.loads((downloaded / "comparison" / "compare.json").read_text())
    assert len(found["analysis"]["patients"]) == 3


def test_run_lengths_go_down_the_columns_from_one(downloaded: Path) -> None:
    cores = read_cores(downloaded / "train.csv", "kidney")
    assert [core.name for core in cores] == ["10", "100", "101", "1011"]
    for number, core in enumerate(cores):
        assert np.array_equal(core.mask(), glomerulus(SIDE, number)[1])


@pytest.mark.e2e
def test_polygons_give_the_same_tiles(downloaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(downloaded)
    masks = []
    for own, name in (([], "1"), (["--polygons", "train_annotations"], "glomerulus")):
        out = "cores"
        laid = ["train", "organ-cores", "--table", "train.csv", "--images", "train_images", "--out", out, *own]
        done = CliRunner().invoke(main, laid)
        assert done.exit_code == 0, done.output
        assert "4 cores of at most 3 donors" in done.output
        cut = ["tile", out, "--split", f"{out}/split.csv", "--classes", f"{name}=1", "--mpp", "0.4", "--size", "64"]
        assert CliRunner().invoke(main, [*cut, "--out", f"tiles-{name}"]).exit_code == 0
        tiles = find_tiles([f"tiles-{name}"])
        masks.append({tile.key: tile.mask.read() for tile in tiles})
    by_runs, by_polygons = (
        {key: np.asarray(Image.open(io.BytesIO(data))).sum() for key, data in each.items()} for each in masks
    )
    assert by_runs.keys() == by_polygons.keys()
    for key, count in by_runs.items():
        assert abs(int(count) - int(by_polygons[key])) <= 0.03 * 64 * 64


@pytest.mark.parametrize(
    ("table", "organ", "said"),
    [
        ("id,organ\n1,kidney\n", "kidney", "has no column img_height"),
        ("", "kidney", "has no column id"),
        ("id,organ,img_height,img_width,pixel_size,rle\n1,lung,9,9,0.4,\n", "kidney", "no cores of 'kidney'"),
        ("id,organ,img_height,img_width,pixel_size,rle\n1,lung,nine,9,0.4,\n", "lung", "has no size or um/px"),
        ("id,organ,img_height,img_width,pixel_size,rle\n1,lung,9,0,0.4,\n", "lung", "has 0 x 9 px"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path: Path, table: str, organ: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(SourceError, match=said):
        read_cores(tmp_path / "t.csv", organ)


@pytest.mark.parametrize(
    ("runs", "said"),
    [("80 9", "leaves its picture"), ("1 x", "no list of run"), ("0 4", "leaves"), ("5 3 9", "no list of run")],
)
def test_a_mask_that_leaves_its_picture_is_refused(tmp_path: Path, runs: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(f"id,organ,img_height,img_width,pixel_size,rle\n1,lung,9,9,0.4,{runs}\n")
    (core,) = read_cores(tmp_path / "t.csv", "lung")
    with pytest.raises(SourceError, match=said):
        core.mask()


def test_a_picture_or_polygons_that_are_missing_are_named(downloaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(downloaded)
    common = ["train", "organ-cores", "--table", "train.csv", "--out", "cores"]
    missing = CliRunner().invoke(main, [*common, "--images", "elsewhere"])
    assert (missing.exit_code, "there is no elsewhere/10.tiff" in missing.output) == (2, True)
    (downloaded / "train_annotations" / "10.json").write_text("{}")
    bad = CliRunner().invoke(main, [*common, "--images", "train_images", "--polygons", "train_annotations/none"])
    assert (bad.exit_code, "is no list of polygons" in bad.output) == (2, True)


def test_every_organ_of_the_set_has_a_unit() -> None:
    assert sorted(UNITS) == ["kidney", "largeintestine", "lung", "prostate", "spleen"]
