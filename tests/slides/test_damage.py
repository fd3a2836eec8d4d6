"""Slides that are damaged in a part, and files that are no slides: named, and the rest is read."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from augengine.errors import AugengineError, ContentError, SourceError, SpecError
from augengine.slides import Slide, open_slide
from tests.support.slide_files import SMALL_REGION, specimen, write_slide


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
        (_empty, "cannot be opened as a slide: it is empty"),
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


@pytest.mark.parametrize(("name", "format_name"), [("s.jpg", "JPEG"), ("s.png", "PNG"), ("s.tif", "TIFF")])
def test_a_photograph_that_viewers_turn_is_refused(name: str, format_name: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    how = {"tiffinfo": {274: 6}} if format_name == "TIFF" else {"exif": exif}
    Image.fromarray(specimen()).save(tmp_path / name, format_name, **how)
    with pytest.raises(ContentError, match=f"{name} is stored turned or mirrored .EXIF orientation 6"):
        open_slide(tmp_path / name)


def test_a_damaged_first_tile_is_found_each_time_it_is_read(tmp_path: Path) -> None:
    file = write_slide(tmp_path / "s.tif", specimen(), kind="flat")
    with tifffile.TiffFile(file) as tif:
        page = tif.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        start = page.dataoffsets[0]
    with file.open("r+b") as out:
        out.seek(start)
        out.write(b"\xff" * 40)
    with open_slide(file) as slide:
        for _ in range(2):
            with pytest.raises(ContentError, match="damaged"):
                slide.read(0, 0, slide.scale(0.25), height=50, width=50)
        assert slide.read(400, 300, slide.scale(0.25), height=50, width=50).any()


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        open_slide(tmp_path / "missing.svs")
    with pytest.raises(SpecError, match="a slide's mpp must be"):
        open_slide(tmp_path, mpp=0)
