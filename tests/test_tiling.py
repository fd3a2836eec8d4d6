"""Slides become source shards: the right tiles with the right masks, the same bytes however it was run."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shapely import Polygon, box

from augengine.errors import AugengineError, PlanMismatch, SourceError
from augengine.plan import quarantine, read_plan
from augengine.resample import window
from augengine.shards.verify import verify
from augengine.sources import open_source
from augengine.storage import read_whole
from augengine.tiling.survey import thumbnail_file
from tests.annotation_files import write_asap, write_cytomine, write_geojson
from tests.datasets import digests, keys, leftovers, members, record
from tests.pictures import Pixels, decode
from tests.real_pyramid import CLASS, MPP, RealPyramid, write_real_pyramid
from tests.slide_files import specimen, write_slide
from tests.tilings import cut

pytestmark = pytest.mark.e2e

SIDE = 64


@pytest.fixture(scope="module")
def picture() -> Pixels:
    return specimen()


@pytest.fixture
def slide(picture: Pixels, tmp_path: Path) -> Path:
    """A slide of 900 x 700 px at 0.25 um/px whose middle third is tissue."""
    return write_slide(tmp_path / "s.tif", picture)


def _tiles(folder: Path, extension: str = "png") -> dict[str, Pixels]:
    found = members(folder)
    names = [name for name in found if name.endswith(f".{extension}") and name.count(".") == extension.count(".") + 1]
    return {name.partition(".")[0]: decode(found[name]) for name in names}


def test_a_grid_of_tissue_is_cut_and_each_tile_says_where_from(slide: Path, picture: Pixels, tmp_path: Path) -> None:
    summary = cut(slide, tmp_path / "out", mpp=0.75)
    assert summary.complete()
    assert verify(tmp_path / "out").ok
    tiles = _tiles(tmp_path / "out")
    assert len(tiles) == summary.tiles > 3
    for key, tile in tiles.items():
        said = record(tmp_path / "out", key)
        assert (said["slide"], said["class"]) == ("s", "tissue")
        assert said["mpp"] == pytest.approx(0.75, rel=1e-3)
        level = picture.reshape(350, 2, 450, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
        expected = window(level, x=said["x"] / 2, y=said["y"] / 2, scale=1.5, height=SIDE, width=SIDE)
        assert np.abs(tile.astype(int) - expected).max() <= 2
        assert (tile < 200).any(axis=2).mean() > 0.2


def test_tissue_is_found_on_pale_immunostains_and_none_on_glass(shared_data: Path, tmp_path: Path) -> None:
    field = np.asarray(Image.open(shared_data / "hannover" / "fields_40x" / "cd68.png").convert("RGB"))
    glass = np.full((1000, 1000, 3), 243, dtype=np.uint8)
    pale = write_slide(tmp_path / "pale.tif", np.concatenate([field, glass], axis=1))
    blank = write_slide(tmp_path / "blank.tif", glass)
    summary = cut([pale, blank], tmp_path / "out", size=100)
    found = {survey.slide.key: survey.places for survey in summary.surveys}
    assert found["blank"] == ()
    on_tissue = [place for place in found["pale"] if place.x + 200 <= 1000]
    assert len(on_tissue) >= 22  # of 25 places on the field
    assert len(found["pale"]) - len(on_tissue) <= 5
    assert summary.complete()


def test_random_tiles_are_tissue_and_come_again(slide: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert cut(slide, tmp_path / name, random=9).complete()
    cut(slide, tmp_path / "c", random=9, seed=1)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert len(keys(tmp_path / "a")) == 9
    assert keys(tmp_path / "a") != keys(tmp_path / "c")


DISC = Polygon([(420 + 60 * np.cos(t), 300 + 60 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)[:-1]])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A folder with the annotations of `slide`: a disc with a hole, and a square."""
    holed = DISC.difference(box(410, 290, 430, 310))
    folder = tmp_path / "labels"
    folder.mkdir()
    write_geojson(folder / "s.geojson", [("Glomerulus", holed), ("Glomerulus", box(330, 500, 370, 540))])
    return folder


OBJECTS: dict[str, Any] = {"classes": ("glomerulus=1",), "centred_on": "glomerulus"}


def test_a_tile_is_centred_on_each_object_and_its_mask_lies_on_it(slide: Path, labels: Path, tmp_path: Path) -> None:
    summary = cut(slide, tmp_path / "out", annotations=labels, negatives=2, background=3, **OBJECTS)
    assert summary.complete()
    assert summary.kinds == {"glomerulus": 2, "negative": 4, "background": 3}
    assert verify(tmp_path / "out").ok
    masks = _tiles(tmp_path / "out", "seg.png")
    of_kind = {kind: [k for k in masks if record(tmp_path / "out", k)["class"] == kind] for kind in summary.kinds}
    assert all(masks[key].max() == 0 for key in of_kind["negative"] + of_kind["background"])
    disc, square = (masks[key] for key in of_kind["glomerulus"])
    assert disc[32, 32] == 0  # the hole
    assert disc[32, 32 + 8] == 1
    assert disc.sum() == pytest.approx((DISC.area - 400) / 4, rel=0.02)
    assert square.sum() == 400


def test_a_grid_keeps_what_is_annotated_beside_the_tissue(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    write_geojson(tmp_path / "labels" / "s.geojson", [("glomerulus", box(10, 10, 40, 40))])
    cut(slide, tmp_path / "out", annotations=tmp_path / "labels", classes=("glomerulus=1",))
    assert "s_x0_y0" in keys(tmp_path / "out")


@pytest.fixture(scope="module")
def pyramid(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealPyramid:
    file = tmp_path_factory.mktemp("pyramid") / "kidney.tif"
    return write_real_pyramid(file, shared_data / "kidney_pas_regions", columns=4, rows=5)


def test_three_formats_of_one_annotation_give_the_same_shards(pyramid: RealPyramid, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("geojson", "asap", "cytomine")]
    for folder in folders:
        folder.mkdir()
    write_geojson(folders[0] / "kidney.geojson", pyramid.polygons)
    write_asap(folders[1] / "kidney.xml", pyramid.polygons)
    write_cytomine(folders[2] / "kidney.json", pyramid.polygons, pyramid.height)
    options: dict[str, Any] = {"mpp": 1.5, "size": 128, "random": 0, "classes": (f"{CLASS}=1",), "centred_on": CLASS}
    for folder in folders:
        assert cut(pyramid.file, folder / "out", annotations=folder, **options).complete()
    shards = [{k: v for k, v in digests(folder / "out").items() if k.endswith(".tar")} for folder in folders]
    assert shards[0] == shards[1] == shards[2]
    masks = _tiles(folders[0] / "out", "seg.png")
    assert len(masks) > 60
    assert np.mean([mask[64, 64] for mask in masks.values()]) > 0.85  # at the border tiles are pushed inside


def test_an_object_lies_on_the_same_tissue_at_every_scale(pyramid: RealPyramid, tmp_path: Path) -> None:
    write_geojson(tmp_path / "kidney.geojson", pyramid.polygons)
    options: dict[str, Any] = {"classes": (f"{CLASS}=1",), "centred_on": CLASS, "annotations": tmp_path}
    cut(pyramid.file, tmp_path / "fine", mpp=1.0, size=384, **options)
    cut(pyramid.file, tmp_path / "coarse", mpp=3.0, size=128, **options)
    fine, coarse = (
        {(record["x"], record["y"]): key for key, record in _records(tmp_path / name).items()}
        for name in ("fine", "coarse")
    )
    same = fine.keys() & coarse.keys()
    assert len(same) > 20
    masks = _tiles(tmp_path / "fine", "seg.png"), _tiles(tmp_path / "coarse", "seg.png")
    for corner in same:
        large, small = masks[0][fine[corner]], masks[1][coarse[corner]]
        assert np.array_equal(large[1::3, 1::3], small)  # the middle of three pixels is the coarse one's centre


def _records(folder: Path) -> dict[str, dict[str, Any]]:
    found = members(folder).items()
    return {name.removesuffix(".json"): json.loads(data) for name, data in found if name.endswith(".json")}


def test_regions_of_interest_beside_real_pictures_are_tiled(shared_data: Path, tmp_path: Path) -> None:
    said: dict[str, Any] = {"classes": ("glomerulus=1",), "default_class": "glomerulus", "centred_on": "glomerulus"}
    glob = str(shared_data / "kidney_ihc_vegf" / "*.jpg")
    summary = cut(Path(glob), tmp_path / "out", slide_mpp=0.68, mpp=0.68, size=256, **said)
    assert summary.complete()
    assert summary.kinds == {"glomerulus": 26}
    masks = _tiles(tmp_path / "out", "seg.png").values()
    assert all(0.05 < mask.mean() < 0.95 for mask in masks)


def test_shards_are_source_shards(slide: Path, labels: Path, tmp_path: Path) -> None:
    cut(slide, tmp_path / "out", annotations=labels, tiles_per_shard=2, background=1, **OBJECTS)
    listing = open_source(str(tmp_path / "out"), stain="cd68").scan()
    assert [len(unit.entries) for unit in listing.units] == [2, 1]
    assert listing.mpps == (0.5,)
    assert listing.largest == (SIDE, SIDE)


def test_two_workers_write_the_bytes_of_one(slide: Path, picture: Pixels, tmp_path: Path) -> None:
    other = write_slide(tmp_path / "t.tif", picture[:, ::-1], kind="ome")
    for workers in (1, 2):
        assert cut([slide, other], tmp_path / str(workers), workers=workers, tiles_per_shard=3).complete()
    assert digests(tmp_path / "1") == digests(tmp_path / "2")


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    slide = write_slide(tmp_path / "s.tif", specimen(2400, 3000))
    options = ["--size", "64", "--mpp", "0.25", "--tiles-per-shard", "8", "--workers", "1"]
    command = [sys.executable, "-m", "augengine", "tile", str(slide), *options, "--out"]
    subprocess.run([*command, str(tmp_path / "clean")], check=True, capture_output=True, timeout=120)
    out = tmp_path / "out"
    run = subprocess.Popen([*command, str(out)], stderr=subprocess.DEVNULL)
    while len(list((out / ".augengine").glob("s-*.json"))) < 3:
        assert run.poll() is None
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    again = subprocess.run([*command, str(out), "--json"], check=True, capture_output=True, timeout=120)
    assert 3 <= json.loads(again.stdout)["resumed"] < json.loads(again.stdout)["shards"]
    assert digests(out) == digests(tmp_path / "clean")
    assert leftovers(out) == []


def test_a_tile_that_is_known_to_be_bad_is_left_out_by_name(slide: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cut(slide, out, random=4)
    before, plan = members(out), read_plan(out, "tile")
    assert plan is not None
    quarantine(out, plan.jobs[0], 2, "it kills the worker")
    (out / ".augengine" / "s-000000.json").unlink()
    summary = cut(slide, out, random=4)
    bad = f"s_x{summary.surveys[0].places[2].x}_y{summary.surveys[0].places[2].y}"
    assert summary.failure_lines() == [f"{bad}: it kills the worker"]
    assert members(out) == {name: data for name, data in before.items() if name.partition(".")[0] != bad}
    assert verify(out).ok


def test_one_bad_slide_stops_no_other(slide: Path, labels: Path, picture: Pixels, tmp_path: Path) -> None:
    bad = {
        "text.tif": "cannot be opened as a slide",
        "small.tif": "a tile has 64",
        "unscaled.tif": "does not state its um/px",
        "dark.tif": "dark, as under fluorescence",
        "unannotated.tif": "has no annotation file",
        "empty.tif": "s.geojson|empty",
    }
    (tmp_path / "text.tif").write_text("no slide")
    write_slide(tmp_path / "small.tif", picture[:100, :90])
    write_slide(tmp_path / "unscaled.tif", picture, mpp=None)
    write_slide(tmp_path / "dark.tif", picture // 20)
    write_slide(tmp_path / "unannotated.tif", picture)
    write_slide(tmp_path / "empty.tif", picture)
    for name in ("text", "small", "unscaled", "dark"):
        write_geojson(labels / f"{name}.geojson", [("glomerulus", DISC)])
    (labels / "empty.geojson").write_text("")
    slides = [slide, *(tmp_path / name for name in bad)]
    summary = cut(slides, tmp_path / "out", annotations=labels, **OBJECTS)
    assert not summary.complete()
    assert summary.complete(allow_failures=len(bad))
    assert summary.tiles == 2
    errors = {f"{survey.slide.key}.tif": survey.error for survey in summary.surveys if survey.error}
    assert errors.keys() == bad.keys()
    assert all(any(part in errors[name] for part in said.split("|")) for name, said in bad.items())


def test_a_mended_slide_is_added_by_the_same_command(slide: Path, picture: Pixels, tmp_path: Path) -> None:
    broken = tmp_path / "a.tif"
    broken.write_text("half copied")
    first = cut([broken, slide], tmp_path / "out")
    assert not first.complete()
    before = digests(tmp_path / "out")
    write_slide(broken, picture)
    second = cut([broken, slide], tmp_path / "out")
    assert second.complete()
    assert second.resumed == 1
    assert second.tiles == 2 * first.tiles
    after = digests(tmp_path / "out")
    assert {name: after[name] for name in before if name.endswith(".tar")} == {
        name: digest for name, digest in before.items() if name.endswith(".tar")
    }
    assert verify(tmp_path / "out").ok


def test_a_damaged_part_of_a_slide_is_a_named_tile(slide: Path, tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffFile(slide) as tif:
        page = tif.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        middle = next(i for i, n in enumerate(page.databytecounts) if n == max(page.databytecounts))
        start = page.dataoffsets[middle]
    with slide.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 40)  # no stream of deflate
    summary = cut(slide, tmp_path / "out", mpp=0.25)
    named = [line for line in summary.failure_lines() if "damaged" in line]
    assert named
    assert all(line.startswith("s_x") for line in named)
    assert summary.tiles + len(named) == len(summary.surveys[0].places)
    assert verify(tmp_path / "out").ok


def test_annotations_outside_the_slide_are_named(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    write_geojson(tmp_path / "labels" / "s.geojson", [("glomerulus", box(5000, 5000, 5050, 5050))])
    summary = cut(slide, tmp_path / "out", annotations=tmp_path / "labels", **OBJECTS)
    assert any("outside" in line for line in summary.problem_lines())


def test_dark_slides_are_taken_when_told_to(picture: Pixels, tmp_path: Path) -> None:
    dark = write_slide(tmp_path / "dark.tif", picture // 20)
    assert cut(dark, tmp_path / "out", allow_dark=True).tiles == 35


SPLIT = "file,patient,split\na*.tif,anna,train\nb*.tif,berta,{}\n"


def test_each_split_has_its_own_shards(tmp_path: Path) -> None:
    slides = [write_slide(tmp_path / f"{name}.tif", specimen(seed=i)) for i, name in enumerate(("a1", "a2", "b1"))]
    (tmp_path / "split.csv").write_text(SPLIT.format("test"))
    summary = cut(slides, tmp_path / "out", patients=tmp_path / "split.csv", random=2)
    names = sorted(file.name for file in (tmp_path / "out").glob("*.tar"))
    assert names == ["test-b1-000000.tar", "train-a1-000000.tar", "train-a2-000000.tar"]
    assert {(r["patient"], r["split"]) for r in _records(tmp_path / "out").values()} == {
        ("anna", "train"),
        ("berta", "test"),
    }
    assert summary.complete()


def test_a_patient_in_two_splits_is_refused(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("file,patient,split\ns.tif,anna,train\nt.tif,anna,test\n")
    with pytest.raises(SourceError, match="the patient anna is in two splits"):
        cut(slide, tmp_path / "out", patients=tmp_path / "split.csv")
    (tmp_path / "split.csv").write_text("file,patient,split\ns.tif,anna,train\ns*,berta,test\n")
    with pytest.raises(SourceError, match="matches 2 patients"):
        cut(slide, tmp_path / "out", patients=tmp_path / "split.csv")
    assert not (tmp_path / "out").exists()


def test_another_tiling_in_the_same_folder_is_refused(slide: Path, picture: Pixels, tmp_path: Path) -> None:
    cut(slide, tmp_path / "out", random=2)
    with pytest.raises(PlanMismatch, match="random was 2, is now 3"):
        cut(slide, tmp_path / "out", random=3)
    other = write_slide(tmp_path / "t.tif", picture)
    with pytest.raises(PlanMismatch, match="the source's t was None"):
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
    with pytest.raises(SourceError, match="have the same key: s"):
        cut(both, tmp_path / "elsewhere", random=1)


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
    from tests.datasets import Listener
    from tests.tilings import request

    with pytest.raises(AugengineError, match=said) as caught:
        tile(replace(request(slide, tmp_path / "out"), **options), Listener())
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_picture_shows_what_was_chosen(slide: Path, labels: Path, tmp_path: Path) -> None:
    cut(slide, tmp_path / "out", annotations=labels, negatives=2, **OBJECTS)
    shown = np.asarray(Image.open(io.BytesIO(read_whole(thumbnail_file(tmp_path / "out", "s")) or b"")))
    assert shown.shape == (724, 900, 3)
    colours = {tuple(rgb) for rgb in shown.reshape(-1, 3)}
    assert {(230, 57, 70), (29, 120, 200)} <= colours


def test_the_real_pyramids_scale_is_its_own(pyramid: RealPyramid, tmp_path: Path) -> None:
    summary = cut(pyramid.file, tmp_path / "out", mpp=MPP, size=256, random=3)
    (survey,) = summary.surveys
    assert (survey.width, survey.height) == (pyramid.width, pyramid.height)
    assert survey.mpp == pytest.approx(MPP)
