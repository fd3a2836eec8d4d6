from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from augengine.pictures.pixels import channel_sums, on_white


def _random(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (48, 64), (300, 401), (1023, 517)])
def test_sums_are_those_of_whole_numbers(shape: tuple[int, int]) -> None:
    pixels = _random(*shape, 3)
    wide = pixels.astype(np.int64)
    sums, squares = channel_sums(pixels)
    assert list(sums) == wide.sum(axis=(0, 1)).tolist()
    assert list(squares) == (wide**2).sum(axis=(0, 1)).tolist()


def test_sums_over_a_part_of_a_picture_are_those_of_its_copy() -> None:
    part = _random(60, 80, 3)[7:50, 11:70]
    assert channel_sums(part) == channel_sums(part.copy())


@pytest.mark.parametrize("value", [7, 254, 255])
def test_sums_are_exact_beyond_what_32_bits_count(value: int) -> None:
    pixels = np.full((4201, 4199, 3), value, dtype=np.uint8)
    assert channel_sums(pixels) == ((pixels[..., 0].size * value,) * 3, (pixels[..., 0].size * value**2,) * 3)


def test_opaque_pixels_stay_and_transparent_ones_are_white() -> None:
    rgba = _random(20, 30, 4)
    rgba[..., 3] = 255
    assert np.array_equal(on_white(rgba), rgba[..., :3])
    rgba[3, 4, 3] = 0
    laid = on_white(rgba)
    assert laid[3, 4].tolist() == [255, 255, 255]
    laid[3, 4] = rgba[3, 4, :3]
    assert np.array_equal(laid, rgba[..., :3])


def test_what_is_half_transparent_is_halfway_to_white() -> None:
    rgba = np.full((2, 2, 4), (100, 0, 255, 128), dtype=np.uint8)
    assert on_white(rgba)[0, 0].tolist() == [177, 127, 255]


def test_a_part_of_a_picture_is_laid_on_white_too() -> None:
    rgba = _random(20, 30, 4)[2:9, 3:17]
    assert np.array_equal(on_white(rgba), on_white(rgba.copy()))
