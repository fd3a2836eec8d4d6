"""A picture compressed as another JPEG was loses the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from augengine.pictures.jpeg import encode_like
from tests.support.pictures import encode, tissue


def as_jpeg(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("quality", [100, 90, 60])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [True, False])
def test_the_same_pixels_become_the_same_picture(quality: int, subsampling: str, progressive: bool) -> None:
    pixels = tissue(48, 72, 1)
    other = as_jpeg(pixels, quality=quality, subsampling=subsampling, progressive=progressive)
    made = encode_like(pixels, other)
    assert made is not None
    first, second = (np.asarray(Image.open(io.BytesIO(data))) for data in (made, other))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF", "BMP"])
def test_there_is_nothing_to_imitate_in_another_format(fmt: str) -> None:
    pixels = tissue(16, 16, 1)
    assert encode_like(pixels, encode(pixels, fmt)) is None
