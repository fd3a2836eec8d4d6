"""Slides become source shards: the right tiles with the right masks, the same bytes however it was run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shapely import box

from augengine.pictures.resample import window
from augengine.shards.verify import verify
from augengine.sources import open_source
from augengine.storage import read_whole
from augengine.tiling.survey import thumbnail_file
from tests.support.annotated_slide import DISC, OBJECTS
from tests.support.annotated_slide import labels as labels
from tests.support.annotated_slide import slide as slide
from tests.support.annotation_files import write_asap, write_cytomine, write_geojson
from tests.support.datasets import digests, keys, members, record
from tests.support.pictures import Pixels, decode
from tests.support.real_pyramid import CLASS, MPP, RealPyramid, write_real_pyramid
from tests.support.slide_files import picture as picture
from tests.support.slide_files import specimen, write_slide
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e
SIDE = 64


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


@pytest.mark.ray
def test_two_workers_write_the_bytes_of_one(slide: Path, picture: Pixels, tmp_path: Path) -> None:
    other = write_slide(tmp_path / "t.tif", picture[:, ::-1], kind="ome")
    for workers in (1, 2):
        assert cut([slide, other], tmp_path / str(workers), workers=workers, tiles_per_shard=3).complete()
    assert digests(tmp_path / "1") == digests(tmp_path / "2")


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
