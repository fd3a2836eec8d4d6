"""Slides for tests: drawn tissue or real regions, written as the kinds of TIFF that scanners and converters write."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.support.pictures import Pixels, tissue

_APERIO_JPEG2000 = 33005

FORMATS = ("pyramid", "sub-images", "ome", "strips", "flat")

SMALL_REGION = "slides/cmu-1-small-region.svs"
"""A part of a real slide of Aperio, in the shared data."""


def specimen(height: int = 700, width: int = 900, *, seed: int = 0) -> Pixels:
    """uint8 (height, width, 3): an island of tissue, a third of the width, on glass."""
    field = np.full((height, width, 3), 244, dtype=np.uint8)
    left, right, top, bottom = width // 3, 2 * width // 3, height // 8, 7 * height // 8
    texture = tissue(64, 64, seed)
    island = np.tile(texture, (-(-(bottom - top) // 64), -(-(right - left) // 64), 1))
    field[top:bottom, left:right] = (island[: bottom - top, : right - left] * 0.8).astype(np.uint8)
    return field


@pytest.fixture(scope="module")
def picture() -> Pixels:
    return specimen()


def write_slide(file: Path, rgb_hwc: Pixels, *, mpp: float | None = 0.25, kind: str = "pyramid") -> Path:
    """Write a picture as a slide: tiles of 128 px, lossless, so that pixels can be compared.

    Args:
        file: Where to.
        rgb_hwc: uint8 (H, W, 3).
        mpp: um/px of level 0; None leaves it unsaid.
        kind: One of `FORMATS`.
    """
    if kind == "ome":
        return _write_ome(file, rgb_hwc, mpp)
    layout: dict[str, Any] = {"compression": "deflate"}
    if kind != "strips":
        layout |= {"tile": True, "tile_width": 128, "tile_height": 128}
    if kind in ("pyramid", "sub-images"):
        layout |= {"pyramid": True, "subifd": kind == "sub-images", "region_shrink": "mean"}
    _as_vips(rgb_hwc, mpp).tiffsave(str(file), **layout)
    return file


def write_jpeg_pyramid(file: Path, image: Any, *, mpp: float) -> Path:
    """A libvips image as a scanner writes slides: a pyramid of JPEG tiles."""
    image = image.copy(xres=1000 / mpp, yres=1000 / mpp)
    image.tiffsave(
        str(file), tile=True, tile_width=256, tile_height=256, pyramid=True, compression="jpeg", Q=90, bigtiff=True
    )
    return file


def mosaic(pictures: list[Path], *, columns: int, rows: int) -> Any:
    """Pictures of one size beside each other, again from the first when they run out; read when they are needed."""
    taken = [pictures[i % len(pictures)] for i in range(columns * rows)]
    return pyvips.Image.arrayjoin([pyvips.Image.new_from_file(str(file)) for file in taken], across=columns)


def _as_vips(rgb_hwc: NDArray[np.generic], mpp: float | None) -> Any:
    image = pyvips.Image.new_from_array(np.ascontiguousarray(rgb_hwc), interpretation="srgb")
    return image if mpp is None else image.copy(xres=1000 / mpp, yres=1000 / mpp)


def halved(rgb_hwc: Pixels) -> Pixels:
    """A picture at half its size, by averaged blocks; an odd last row or column is left out."""
    h, w = (n // 2 for n in rgb_hwc.shape[:2])
    rounded: Pixels = np.rint(rgb_hwc[: 2 * h, : 2 * w].reshape(h, 2, w, 2, 3).mean(axis=(1, 3))).astype(np.uint8)
    return rounded


def _write_ome(file: Path, rgb_hwc: Pixels, mpp: float | None) -> Path:
    levels = [rgb_hwc]
    while min(levels[-1].shape[:2]) > 128:
        levels.append(halved(levels[-1]))
    sizes = {} if mpp is None else {"PhysicalSizeX": mpp, "PhysicalSizeY": mpp}
    options: dict[str, Any] = {"tile": (128, 128), "photometric": "rgb", "compression": "deflate"}
    with tifffile.TiffWriter(file, ome=True) as tif:
        tif.write(levels[0], subifds=len(levels) - 1, metadata={"axes": "YXS", **sizes}, **options)
        for level in levels[1:]:
            tif.write(level, subfiletype=1, **options)
    return file


def write_aperio_jpeg2000(file: Path, *levels: Pixels, mpp: float, side: int = 128) -> Path:
    """A pyramid as Aperio's scanners write it in JPEG 2000, here lossless."""
    with tifffile.TiffWriter(file) as tif:
        for number, level in enumerate(levels):
            height, width = level.shape[:2]
            padded = np.pad(level, ((0, -height % side), (0, -width % side), (0, 0)))
            corners = [(y, x) for y in range(0, height, side) for x in range(0, width, side)]
            tif.write(
                (_jpeg2000(padded[y : y + side, x : x + side]) for y, x in corners),
                shape=level.shape,
                dtype="uint8",
                photometric="rgb",
                compression="adobe_deflate",  # tifffile would look for a codec of the true one
                tile=(side, side),
                subfiletype=int(number > 0),
                description=f"Aperio Image Library v12\r\n{width}x{height} J2K/YUV16|AppMag = 40|MPP = {mpp:g}",
                metadata=None,
            )
    with tifffile.TiffFile(file, mode="r+") as tif:
        for page in tif.pages:
            assert isinstance(page, tifffile.TiffPage)
            page.tags["Compression"].overwrite(_APERIO_JPEG2000)
    return file


def _jpeg2000(rgb_hwc: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb_hwc).save(out, "JPEG2000", no_jp2=True, irreversible=False, mct=0)
    return out.getvalue()
