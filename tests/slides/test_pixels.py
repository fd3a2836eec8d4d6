"""A slide gives its own pixels at any place and any um/px, whatever its file is and whoever reads it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from augengine.pictures.resample import window
from augengine.slides import open_slide
from augengine.slides._openslide import GENERIC, OpenSlideFile
from augengine.slides._vips import VipsFile
from tests.support.pictures import Pixels
from tests.support.slide_files import FORMATS, SMALL_REGION, write_aperio_jpeg2000, write_slide
from tests.support.slide_files import picture as picture


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_tiff_gives_its_pixels_and_its_scale(kind: str, picture: Pixels, tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture, kind=kind)) as slide:
        assert (slide.height, slide.width) == picture.shape[:2]
        assert slide.mpp == pytest.approx(0.25, rel=1e-4)
        tile = slide.read(301, 97, slide.scale(0.25), height=200, width=256)
    assert np.array_equal(tile, picture[97:297, 301:557])


def test_openslide_and_libvips_read_equal_bits(picture: Pixels, tmp_path: Path) -> None:
    file = write_slide(tmp_path / "s.tif", picture)
    readers = VipsFile(file), OpenSlideFile(file, GENERIC)
    assert readers[0].levels == readers[1].levels
    for level, x, y in ((0, 13, 400), (1, 200, 55), (2, 0, 0), (1, -20, 300)):
        vips, openslide = (reader.read(level, x, y, 90, 70) for reader in readers)
        assert (vips.x, vips.y) == (openslide.x, openslide.y) == (x, y)
        assert np.array_equal(vips.rgb_hwc, openslide.rgb_hwc)


@pytest.mark.parametrize("mpp", [0.25, 0.3, 0.5, 0.66, 0.75])
def test_tiles_side_by_side_are_the_halves_of_a_wider_one(mpp: float, picture: Pixels, tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture)) as slide:
        scale = slide.scale(mpp)
        wide = slide.read(240, 100, scale, height=64, width=128)
        right = slide.read(240 + 64 * scale.downsample, 100, scale, height=64, width=64)
    assert np.abs(wide[:, 64:].astype(int) - right).max() <= 1


def test_whole_factors_average_blocks(picture: Pixels, tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture, kind="flat")) as slide:
        tile = slide.read(300, 120, slide.scale(0.75), height=40, width=50)
    blocks = picture[120:240, 300:450].reshape(40, 3, 50, 3, 3).mean(axis=(1, 3))
    assert np.abs(tile - blocks).max() < 0.6  # Pillow divides in fixed point


def test_a_step_lies_where_it_lay_at_every_scale() -> None:
    ramp = np.repeat(np.linspace(0, 255, 300, dtype=np.uint8)[None, :, None], 90, axis=0).repeat(3, axis=2)
    for scale in (1.0, 1.3, 2.0, 2.7):
        cut = window(ramp, x=60, y=20, scale=scale, height=20, width=40)
        centres = 60 + (np.arange(40) + 0.5) * scale - 0.5
        assert np.abs(cut[10, :, 0] - centres * 255 / 299).max() < 1.5


def test_beyond_the_slide_there_is_glass(picture: Pixels, tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture)) as slide:
        tile = slide.read(-40, 650, slide.scale(0.25), height=100, width=100)
        nowhere = slide.read(5000, 5000, slide.scale(0.4), height=20, width=30)
    assert np.array_equal(tile[:50, 40:], picture[650:, :60])
    assert tile[:, :40].min() == tile[50:].min() == nowhere.min() == 255
    assert nowhere.shape == (20, 30, 3)


@pytest.mark.parametrize("kind", ["pyramid", "strips"])
def test_many_threads_read_what_one_reads(kind: str, picture: Pixels, tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture, kind=kind)) as slide:
        scale = slide.scale(0.5)

        def read(x: int) -> Pixels:
            return slide.read(x, 2 * x, scale, height=60, width=60)

        places = list(range(0, 300, 10))
        alone = [read(x) for x in places]
        with ThreadPoolExecutor(4) as pool:
            assert all(np.array_equal(a, b) for a, b in zip(alone, pool.map(read, places), strict=True))


def test_an_aperio_slide_is_read(shared_data: Path) -> None:
    file = shared_data / SMALL_REGION
    with open_slide(file) as slide:
        assert (slide.format, slide.width, slide.height, slide.mpp) == ("aperio", 2220, 2967, 0.499)
        tile = slide.read(700, 900, slide.scale(0.5), height=100, width=120)
        coarse = slide.read(700, 900, slide.scale(1.0), height=50, width=60)
    again = VipsFile(file).read(0, 700, 900, 120, 100).rgb_hwc
    assert np.abs(tile.astype(int) - again).max() <= 2  # two JPEG decoders
    assert np.abs(coarse - tile.reshape(50, 2, 60, 2, 3).mean(axis=(1, 3))).max() <= 1


def test_an_aperio_slide_in_jpeg_2000_is_read(picture: Pixels, tmp_path: Path) -> None:
    file = write_aperio_jpeg2000(tmp_path / "j2k.svs", picture[:640, :896], mpp=0.25)
    with open_slide(file) as slide:
        assert (slide.format, slide.mpp) == ("aperio", 0.25)
        tile = slide.read(250, 60, slide.scale(0.25), height=300, width=300)
    assert np.array_equal(tile, picture[60:360, 250:550])


def test_levels_of_rounded_sizes_lie_where_the_picture_lies(tmp_path: Path) -> None:
    full = np.full((2003, 2003, 3), 240, dtype=np.uint8)
    spots = [(y, x) for y in range(60, 1960, 316) for x in range(60, 1960, 316)]
    for y, x in spots:
        full[y : y + 24, x : x + 24] = 40
    quarter = full[:2000, :2000].reshape(500, 4, 500, 4, 3).mean(axis=(1, 3)).astype(np.uint8)
    with open_slide(write_aperio_jpeg2000(tmp_path / "s.svs", full, quarter, mpp=0.25)) as slide:
        scale = slide.scale(1.0)
        assert (scale.level, scale.factor, scale.downsample) == (1, 1, 4)
        for y, x in spots:
            tile = slide.read(x - 40, y - 40, scale, height=26, width=26)
            dark = (240.0 - tile[..., 0]).clip(0)
            centre = [(dark.sum(axis=axis) * (np.arange(26) + 0.5)).sum() / dark.sum() for axis in (0, 1)]
            assert np.abs(np.array(centre) - 13).max() < 0.15  # an eighth: whole level-0 pixels are asked for


def test_a_tile_read_in_blocks_is_the_tile(picture: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from augengine.slides import slide as module

    with open_slide(write_slide(tmp_path / "s.tif", picture, kind="flat")) as slide:
        for mpp in (0.25, 0.6, 1.0):
            scale = slide.scale(mpp)
            whole = slide.read(40, 60, scale, height=120, width=150)
            with monkeypatch.context() as patch:
                patch.setattr(module, "_MAX_PIXELS_AT_ONCE", 100)
                assert np.abs(slide.read(40, 60, scale, height=120, width=150).astype(int) - whole).max() <= 1
