"""The slide of a file with several pictures: its largest one, with the levels and the um/px that belong to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from augengine.errors import ContentError, SourceError
from augengine.slides import open_slide
from tests.support.pictures import Pixels
from tests.support.slide_files import halved, specimen

LABEL = np.full((200, 260, 3), (180, 60, 60), np.uint8)
MACRO = np.full((150, 420, 3), (60, 60, 180), np.uint8)
HOW: dict[str, Any] = {"tile": (128, 128), "photometric": "rgb", "compression": "adobe_deflate"}


def resolution(mpp: float) -> dict[str, Any]:
    return {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}


def write_pages(file: Path, *pages: tuple[Pixels, float]) -> Path:
    """Pages with a um/px each, one after the other."""
    with tifffile.TiffWriter(file) as tif:
        for picture, mpp in pages:
            tif.write(picture, metadata=None, **HOW, **resolution(mpp))
    return file


def write_series(file: Path, *series: tuple[Pixels, float | None], sub_images: bool = True) -> Path:
    """An OME-TIFF of several pictures, each a pyramid of two levels."""
    with tifffile.TiffWriter(file, ome=True) as tif:
        for picture, mpp in series:
            sizes = {} if mpp is None else {"PhysicalSizeX": mpp, "PhysicalSizeY": mpp}
            tif.write(picture, subifds=int(sub_images), metadata={"axes": "YXS", **sizes}, **HOW)
            if sub_images:
                tif.write(halved(picture), subfiletype=1, **HOW)
    return file


ORDERS: list[Callable[[Pixels], list[tuple[Pixels, float]]]] = [
    lambda slide: [(LABEL, 20.0), (slide, 0.5), (halved(slide), 1.0), (halved(halved(slide)), 2.0)],
    lambda slide: [(slide, 0.5), (halved(slide), 1.0), (halved(halved(slide)), 2.0), (LABEL, 20.0)],
    lambda slide: [(halved(halved(slide)), 2.0), (MACRO, 20.0), (LABEL, 20.0), (slide, 0.5), (halved(slide), 1.0)],
    lambda slide: [(MACRO, 20.0), (slide, 0.5), (LABEL, 20.0), (halved(slide), 1.0)],
]


@pytest.mark.parametrize("order", ORDERS)
def test_the_largest_page_is_the_slide_wherever_it_stands(
    order: Callable[[Pixels], list[tuple[Pixels, float]]], tmp_path: Path
) -> None:
    picture = specimen()
    with open_slide(write_pages(tmp_path / "s.tif", *order(picture))) as slide:
        assert (slide.height, slide.width, slide.mpp) == (*picture.shape[:2], pytest.approx(0.5, rel=1e-4))
        assert slide.scale(1.0).level == 1
        tile = slide.read(310, 90, slide.scale(0.5), height=64, width=80)
        half = slide.read(310, 90, slide.scale(1.0), height=64, width=80)
    assert np.array_equal(tile, picture[90:154, 310:390])
    assert np.array_equal(half, halved(picture)[45:109, 155:235])


@pytest.mark.parametrize("sub_images", [True, False])
@pytest.mark.parametrize("slide_mpp", [0.25, None])
def test_the_largest_series_of_an_ome_tiff_is_the_slide_with_its_own_scale(
    slide_mpp: float | None, sub_images: bool, tmp_path: Path
) -> None:
    picture, file = specimen(), tmp_path / "s.ome.tif"
    write_series(file, (MACRO, 10.0), (picture, slide_mpp), (LABEL, 20.0), sub_images=sub_images)
    with open_slide(file) as slide:
        assert (slide.format, slide.height, slide.width) == ("ome-tiff", *picture.shape[:2])
        assert slide.mpp == slide_mpp
        assert slide.scale_by(2.0).level == (1 if sub_images else 0)
        tile = slide.read(310, 90, slide.scale_by(1.0), height=64, width=80)
    assert np.array_equal(tile, picture[90:154, 310:390])


def test_two_pictures_of_one_size_are_told_apart_by_their_place(tmp_path: Path) -> None:
    picture, file = specimen(), tmp_path / "s.ome.tif"
    with open_slide(write_series(file, (picture, 0.5), (picture[::-1], 0.25), sub_images=False)) as slide:
        assert slide.mpp == 0.5
        assert np.array_equal(slide.read(0, 0, slide.scale(0.5), height=90, width=90), picture[:90, :90])


def test_a_mask_of_the_slides_size_before_it_is_not_the_slide(tmp_path: Path) -> None:
    picture = specimen()
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        tif.write(picture[..., 0] // 250, tile=(128, 128), photometric="minisblack", metadata=None)
        tif.write(picture, metadata=None, **HOW)
    with open_slide(tmp_path / "s.tif") as slide:
        assert np.array_equal(slide.read(0, 0, slide.scale_by(1), height=90, width=90), picture[:90, :90])


def test_a_thumbnail_in_colour_does_not_stand_for_a_slide_that_cannot_be_read(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        tif.write(LABEL, metadata=None, **HOW)
        tif.write(np.zeros((600, 600), np.uint16), tile=(128, 128), metadata=None)
    with pytest.raises(ContentError, match="1 channel of ushort, not 8-bit RGB"):
        open_slide(tmp_path / "s.tif")


def test_a_page_for_each_colour_is_refused_for_what_it_is(tmp_path: Path) -> None:
    planes, file = np.moveaxis(specimen(), -1, 0), tmp_path / "s.ome.tif"
    tifffile.imwrite(file, planes, photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(ContentError, match="has 3 pages of 1 channel of uchar, not 8-bit RGB") as refusal:
        open_slide(file)
    assert "red, green and blue" in refusal.value.hint


def test_more_pages_than_slides_have_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        for _ in range(300):
            tif.write(LABEL[:16, :16], photometric="rgb", metadata=None)
    with pytest.raises(SourceError, match="holds 300 pages, 256 are allowed"):
        open_slide(tmp_path / "s.tif")


@pytest.mark.parametrize("layout", [{"tile": (128, 128)}, {"rowsperstrip": 50}, {}])
@pytest.mark.parametrize("metadata", [None, {"axes": "SYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}])
def test_colours_in_planes_apart_are_read(layout: dict[str, Any], metadata: Any, tmp_path: Path) -> None:
    picture = specimen()
    planes, file = np.moveaxis(picture, -1, 0), tmp_path / ("s.ome.tif" if metadata else "s.tif")
    scale = {} if metadata else resolution(0.5)
    tifffile.imwrite(file, planes, photometric="rgb", planarconfig="separate", metadata=metadata, **layout, **scale)
    with open_slide(file) as slide:
        assert (slide.height, slide.width, slide.mpp) == (*picture.shape[:2], pytest.approx(0.5, rel=1e-4))
        tile = slide.read(310, 90, slide.scale(0.5), height=64, width=80)
    assert np.array_equal(tile, picture[90:154, 310:390])


def test_planes_apart_behind_a_label_are_refused_by_name(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        tif.write(LABEL, metadata=None, **HOW)
        tif.write(np.moveaxis(specimen(), -1, 0), planarconfig="separate", metadata=None, **HOW)
    with pytest.raises(ContentError, match="stores its colours in planes apart") as refusal:
        open_slide(tmp_path / "s.tif")
    assert "PlanarConfiguration" in refusal.value.hint


def test_the_second_page_of_the_case_is_the_slide(tile_cases: Path) -> None:
    with open_slide(tile_cases / "05_label_first/s1.tif") as slide:
        assert (slide.width, slide.height) == (460, 420)
        assert slide.mpp == pytest.approx(0.5)
        tile = slide.read(0, 0, slide.scale(0.5), height=420, width=460)
    assert np.array_equal(tile, tifffile.imread(tile_cases / "05_label_first/s1.tif", key=1))


def test_the_planes_of_the_case_are_its_colours(tile_cases: Path) -> None:
    file = tile_cases / "11_planes_apart/s1.tif"
    with open_slide(file) as slide:
        tile = slide.read(0, 0, slide.scale(0.5), height=420, width=460)
    assert np.array_equal(tile, np.moveaxis(tifffile.imread(file), 0, -1))
