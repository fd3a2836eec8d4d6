"""The um/px of a slide: what its file states, which level is read for it, and when it must be said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from augengine.errors import ContentError
from augengine.slides import open_slide
from tests.support.pictures import Pixels, encode
from tests.support.slide_files import picture as picture
from tests.support.slide_files import specimen, write_slide


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


def test_a_scale_within_a_percent_is_taken_as_it_is(picture: Pixels, tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", picture, mpp=0.2525)) as slide:
        scale = slide.scale(0.5)
    assert (scale.factor, scale.downsample) == (1, 2)
    assert scale.mpp == pytest.approx(0.505, rel=1e-3)


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


@pytest.mark.parametrize(
    ("said", "unit", "resolution", "mpp"),
    [
        (b"unit=um", "NONE", (2, 2), 0.5),
        (b"unit=micron", "NONE", (4, 4), 0.25),
        (b"unit=microns", "NONE", (4, 4), 0.25),
        (b"unit=Micrometer", "NONE", (4, 4), 0.25),
        (rb"unit=\u00B5m", "NONE", (4, 4), 0.25),
        ("unit=µm".encode(), "NONE", (4, 4), 0.25),
        ("unit=µm".encode("latin-1"), "NONE", (4, 4), 0.25),
        ("unit=\N{GREEK SMALL LETTER MU}m".encode(), "NONE", (4, 4), 0.25),
        (b"unit=nm", "NONE", (0.004, 0.004), 0.25),
        (b"unit=mm", "NONE", (4000, 4000), 0.25),
        (b"unit=inch", "INCH", (101600, 101600), 0.25),
        (b"unit=cm", "CENTIMETER", (40000, 40000), 0.25),
        (b"unit=um", "INCH", (4, 4), 0.25),
        (b"unit=um", "CENTIMETER", (40000, 40000), 0.25),
        (b"unit=pixel", "NONE", (4, 4), None),
        (b"", "NONE", (4, 4), None),
        (b"unit=m", "NONE", (4, 4), None),
    ],
)
def test_the_scale_of_imagej_is_in_the_unit_that_it_names(
    said: bytes, unit: str, resolution: tuple[float, float], mpp: float | None, tmp_path: Path
) -> None:
    tifffile.imwrite(
        tmp_path / "s.tif",
        specimen(),
        description=b"ImageJ=1.54f\nimages=1\n" + said + b"\nloop=false\n",
        metadata=None,
        photometric="rgb",
        resolution=resolution,
        resolutionunit=unit,
    )
    with open_slide(tmp_path / "s.tif") as slide:
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-5))


def test_an_imagej_picture_whose_sides_have_units_of_their_own_is_measured_by_both(tmp_path: Path) -> None:
    said = "ImageJ=1.54f\nunit=um\nyunit=nm\n"
    how = {"metadata": None, "photometric": "rgb", "resolutionunit": "NONE"}
    tifffile.imwrite(tmp_path / "s.tif", specimen(), description=said, resolution=(2, 0.002), **how)  # type: ignore[arg-type]
    with open_slide(tmp_path / "s.tif") as slide:
        assert slide.mpp == pytest.approx(0.5)
