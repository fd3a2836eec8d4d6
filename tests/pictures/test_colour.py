"""Where a slide has tissue: not on its glass, however grey that is, and not on the black around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from augengine.pictures.colour import glass_density, mean_density, slide_tissue_mask, tissue_mask
from tests.support.pictures import Pixels, tissue
from tests.support.slide_files import specimen

Bools = NDArray[np.bool_]


def dimmed(picture: Pixels, factor: float) -> Pixels:
    """The same slide under less light."""
    return (picture * factor).astype(np.uint8)


def island(picture: Pixels) -> Bools:
    """Where `specimen` has its tissue."""
    height, width = picture.shape[:2]
    inside = np.zeros((height, width), bool)
    inside[height // 8 : 7 * height // 8, width // 3 : 2 * width // 3] = True
    return inside


@pytest.mark.parametrize("factor", [1.0, 0.97, 0.95, 0.92, 0.88, 0.85])
@pytest.mark.parametrize("smoothing", [1.0, 4.0])
def test_grey_glass_is_no_tissue(factor: float, smoothing: float) -> None:
    picture = specimen()
    found = slide_tissue_mask(dimmed(picture, factor), smoothing=smoothing)
    assert np.mean(found == island(picture)) > 0.97


def test_a_slide_on_the_usual_glass_has_the_tissue_of_any_picture() -> None:
    picture = specimen()
    assert np.array_equal(slide_tissue_mask(picture), tissue_mask(picture))


@pytest.mark.parametrize("black", [0, 3])
def test_black_fill_is_no_tissue_and_takes_none_away_beside_it(black: int) -> None:
    picture = specimen()
    picture[:, :500] = black  # it ends amid the tissue
    found = slide_tissue_mask(picture, smoothing=6)
    assert not found[:, :500].any()
    assert np.mean(found[:, 500:] == island(picture)[:, 500:]) > 0.97
    assert found[200:400, 500].all()


def test_a_slide_of_nothing_but_fill_has_no_tissue() -> None:
    assert not slide_tissue_mask(np.zeros((60, 80, 3), np.uint8)).any()
    assert not slide_tissue_mask(np.full((60, 80, 3), 255, np.uint8)).any()


def test_white_that_stands_for_missing_pixels_does_not_hide_the_glass() -> None:
    picture = dimmed(specimen(), 0.92)
    padded = np.full((1400, 1800, 3), 255, np.uint8)
    padded[300:1000, 400:1300] = picture
    assert np.mean(slide_tissue_mask(padded)[300:1000, 400:1300] == island(picture)) > 0.97


def pale_noise(colour: tuple[int, int, int], spread: int) -> Pixels:
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(colour, spread, (300, 400, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "picture",
    [
        dimmed(np.tile(tissue(64, 64, 0), (5, 6, 1)), 0.8),
        pale_noise((205, 205, 205), 12),  # the texture of tissue, which smoothing evens out
        pale_noise((228, 205, 220), 1),  # the colour of tissue
        np.full((300, 400, 3), (228, 205, 220), np.uint8),
    ],
)
@pytest.mark.parametrize("smoothing", [1.0, 16.0])
def test_a_picture_that_tissue_fills_loses_none_of_it(picture: Pixels, smoothing: float) -> None:
    found = slide_tissue_mask(picture, smoothing=smoothing)
    assert np.array_equal(found, tissue_mask(picture, smoothing=smoothing))
    assert found.mean() > 0.9


def test_glass_that_tissue_leaves_almost_nothing_of_is_not_believed() -> None:
    few = np.full((1000, 3), 210, np.uint8)
    few[:980] = tissue(28, 35, 0).reshape(-1, 3)
    assert glass_density(few, mean_density(few[None])[0]) is None
    assert glass_density(np.empty((0, 3), np.uint8), np.empty(0, np.float32)) is None


def test_real_tissue_without_glass_is_all_tissue(shared_data: Path) -> None:
    files = [*(shared_data / "hannover").glob("*/*.png"), *(shared_data / "kidney_ihc_vegf").glob("*.jpg")]
    assert len(files) == 18
    for file in files:
        with Image.open(file) as opened:
            picture = np.asarray(opened.convert("RGB").reduce(2))
        assert np.array_equal(slide_tissue_mask(picture, smoothing=8), tissue_mask(picture, smoothing=8)), file.name


def test_real_glass_is_found_however_bright_the_lamp_was(shared_data: Path) -> None:
    with Image.open(shared_data / "kidney_pas_masks/images/10014.png") as opened:
        picture = np.asarray(opened.convert("RGB"))
    clear = slide_tissue_mask(picture, smoothing=16)
    assert 0.5 < clear.mean() < 0.7
    for factor in (0.95, 0.92, 0.85):
        assert np.mean(slide_tissue_mask(dimmed(picture, factor), smoothing=16) == clear) > 0.97
    with Image.open(shared_data / "kidney_pas_regions/2.jpg") as opened:  # its glass has 214
        assert slide_tissue_mask(np.asarray(opened), smoothing=9).mean() < 0.4


def test_the_black_of_the_case_is_no_tissue_and_its_glass_neither(tile_cases: Path) -> None:
    picture = tifffile.imread(tile_cases / "12_black_fill/s1.tif")
    found = slide_tissue_mask(picture, smoothing=16)
    assert not found[:300, :140].any()
    assert found[:280, 140:].all()
    assert not found[340:].any()


def test_the_grey_glass_of_the_case_is_no_tissue(tile_cases: Path) -> None:
    found = slide_tissue_mask(tifffile.imread(tile_cases / "13_grey_glass/s1.tif"), smoothing=16)
    assert found[160:250, 160:250].all()
    assert found.mean() < 0.15
