"""A slide is read at any place and any um/px, whatever its file is; what cannot be read is named."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from augengine.errors import AugengineError, ContentError, SourceError, SpecError
from augengine.resample import window
from augengine.slides import Slide, open_slide
from augengine.slides._openslide import GENERIC, OpenSlideFile
from augengine.slides._vips import VipsFile
from tests.pictures import Pixels, encode
from tests.slide_files import FORMATS, specimen, write_aperio_jpeg2000, write_slide

SMALL_REGION = "slides/cmu-1-small-region.svs"


@pytest.fixture(scope="module")
def picture() -> Pixels:
    return specimen()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_tiff_gives_its_pixels_and_its_scale(kind: str, picture: Pixels, tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture, kind=kind)) as slide:
        assert (slide.height, slide.width) == picture.shape[:2]
        assert slide.mpp == pytest.approx(0.25, rel=1e-4)
        tile = slide.read(301, 97, slide.scale(0.25), height=200, width=256)
    assert np.array_equal(tile, picture[97:297, 301:557])


@pytest.mark.parametrize(("kind", "levels"), [("pyramid", 4), ("sub-images", 4), ("ome", 4), ("strips", 1)])
def test_the_coarsest_level_that_is_fine_enough_is_read(
    kind: str, levels: int, picture: Pixels, tmp_path: Path
) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture, kind=kind)) as slide:
        half, third, sixth = (slide.scale(mpp) for mpp in (0.5, 0.75, 1.5))
    if levels == 1:
        assert [(s.level, s.factor) for s in (half, third, sixth)] == [(0, 2), (0, 3), (0, 6)]
    else:
        assert [s.level for s in (half, third, sixth)] == [1, 1, 2]
        assert [s.factor for s in (half, third, sixth)] == pytest.approx([1, 1.5, 1.5])
    assert [s.mpp for s in (half, third, sixth)] == pytest.approx([0.5, 0.75, 1.5], rel=1e-3)


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


def test_a_scale_within_a_percent_is_taken_as_it_is(picture: Pixels, tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture, mpp=0.2525)) as slide:
        scale = slide.scale(0.5)
    assert (scale.factor, scale.downsample) == (1, 2)
    assert scale.mpp == pytest.approx(0.505, rel=1e-3)


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
                patch.setattr(module, "_MOST_AT_ONCE", 100)
                assert np.abs(slide.read(40, 60, scale, height=120, width=150).astype(int) - whole).max() <= 1


def test_damage_is_the_same_however_many_threads_read(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "damaged.svs"
    shutil.copyfile(shared_data / SMALL_REGION, file)
    file.chmod(0o644)
    with tifffile.TiffFile(file) as tif, file.open("r+b") as out:
        page = tif.pages[0]
        for tile in (12, 40, 77):
            out.seek(page.dataoffsets[tile])
            out.write(bytes(page.databytecounts[tile]))
    places = [(x, y) for y in range(0, 2640, 240) for x in range(0, 1920, 240)]

    def damaged(threads: int) -> list[bool]:
        with open_slide(file) as slide, ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda place: _is_damaged(slide, *place), places))

    alone = damaged(1)
    assert sum(alone) == 3
    assert damaged(8) == damaged(8) == alone


def _is_damaged(slide: Slide, x: int, y: int) -> bool:
    try:
        slide.read(x, y, slide.scale(0.5), height=240, width=240)
    except ContentError:
        return True
    return False


def test_a_label_of_the_slides_shape_is_no_level(tmp_path: Path) -> None:
    square, label = specimen(1024, 1024), np.zeros((200, 200, 3), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        for page in (square, label):
            tif.write(page, tile=(128, 128), photometric="rgb", resolution=(40000, 40000), resolutionunit="CENTIMETER")
    with open_slide(tmp_path / "s.tif") as slide:
        assert slide.scale(1.3).level == 0


OME = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="I"><Pixels ID="P" {}/></Image></OME>'


@pytest.mark.parametrize(
    ("said", "mpp"),
    [
        ('PhysicalSizeX="0.25" PhysicalSizeY="0.25"', 0.25),
        ("PhysicalSizeX='0.25' PhysicalSizeY='0.25'", 0.25),
        ('PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="0.25" PhysicalSizeYUnit="&#181;m"', 0.25),
        ('SizeX="900"', None),
        ('PhysicalSizeX="0.25" PhysicalSizeXUnit="pixel" PhysicalSizeY="0.25"', None),
    ],
)
def test_the_scale_of_ome_is_what_its_description_says(said: str, mpp: float | None, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "s.tif",
        specimen(),
        description=OME.format(said),
        metadata=None,
        photometric="rgb",
        tile=(128, 128),
        resolution=(10000, 10000),
        resolutionunit="CENTIMETER",
    )
    with open_slide(tmp_path / "s.tif") as slide:
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp))


def test_tags_without_a_unit_are_no_scale(picture: Pixels, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", picture, photometric="rgb", resolution=(3000, 3000), resolutionunit="NONE")
    with open_slide(tmp_path / "s.tif") as slide:
        assert slide.mpp is None
    (tmp_path / "s.jpg").write_bytes(encode(picture, "JPEG", dpi=(1200, 1200)))
    with open_slide(tmp_path / "s.jpg") as slide:
        assert slide.mpp is None


def test_a_damaged_part_is_an_error_and_the_rest_is_read(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "damaged.svs"
    shutil.copyfile(shared_data / SMALL_REGION, file)
    file.chmod(0o644)
    with tifffile.TiffFile(file) as tif:
        first, size = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    with file.open("r+b") as out:
        out.seek(first)
        out.write(bytes(size))
    with open_slide(file) as slide, open_slide(shared_data / SMALL_REGION) as sound:
        scale = slide.scale(0.5)
        for _ in range(2):
            with pytest.raises(ContentError, match="damaged"):
                slide.read(0, 0, scale, height=100, width=100)
            places = {"height": 200, "width": 200}
            assert np.array_equal(slide.read(900, 900, scale, **places), sound.read(900, 900, scale, **places))


def test_a_slide_without_a_scale_wants_it_said(picture: Pixels, tmp_path: Path) -> None:
    file = write_slide(tmp_path / "s.tif", picture, mpp=None)
    with open_slide(file) as slide, pytest.raises(ContentError, match="does not state its um/px") as caught:
        slide.scale(0.5)
    assert "--slide-mpp" in caught.value.hint
    with open_slide(file, mpp=0.25) as slide:
        assert slide.scale(0.5).downsample == 2


def test_a_screens_dots_an_inch_are_no_scale(picture: Pixels, tmp_path: Path) -> None:
    (tmp_path / "s.jpg").write_bytes(encode(picture, "JPEG", dpi=(72, 72)))
    with open_slide(tmp_path / "s.jpg") as slide:
        assert slide.mpp is None


def test_tiles_are_not_enlarged(picture: Pixels, tmp_path: Path) -> None:
    with (
        open_slide(write_slide(tmp_path / "s.tif", picture, mpp=1.0)) as slide,
        pytest.raises(ContentError, match=r"has 1 um/px, coarser than the 0\.5"),
    ):
        slide.scale(0.5)


def _grey(file: Path) -> None:
    tifffile.imwrite(file, np.zeros((300, 300), dtype=np.uint8), tile=(128, 128))


def _deep(file: Path) -> None:
    tifffile.imwrite(file, np.zeros((300, 300, 3), dtype=np.uint16), tile=(128, 128), photometric="rgb")


def _channels(file: Path) -> None:
    tifffile.imwrite(file, np.zeros((4, 300, 300), dtype=np.uint16), ome=True, metadata={"axes": "CYX"})


def _stretched(file: Path) -> None:
    resolution = (40000, 20000)
    tifffile.imwrite(file, specimen(), photometric="rgb", resolution=resolution, resolutionunit="CENTIMETER")


def _cut_short(file: Path) -> None:
    data = write_slide(file, specimen(), kind="strips").read_bytes()
    file.write_bytes(data[: len(data) // 2])


def _text(file: Path) -> None:
    file.write_text("not a slide")


def _empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (_grey, "1 channel of uchar"),
        (_deep, "3 channels of ushort"),
        (_channels, "1 channel of ushort"),
        (_stretched, "not square"),
        (_cut_short, "cannot be opened as a slide"),
        (_text, "cannot be opened as a slide"),
        (_empty, "cannot be opened as a slide"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_no_brightfield_slide_is_refused_by_name(write: object, said: str, tmp_path: Path) -> None:
    file = tmp_path / "s.tif"
    write(file)  # type: ignore[operator]
    with pytest.raises(AugengineError, match=said) as caught:
        open_slide(file)
    assert "s.tif" in caught.value.message
    assert caught.value.hint


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        open_slide(tmp_path / "missing.svs")
    with pytest.raises(SpecError, match="a slide's mpp must be"):
        open_slide(tmp_path, mpp=0)
