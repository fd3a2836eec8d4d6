"""Sigma and noise as pure functions of (seed, key, variant, pixel).

The method: A' + N(0, sigma^2) per pixel and channel, sigma ~ U(0, eps] once a variant, all in units of the
[-1, 1] image range (ISBI 2021, section 3). Drawing (`draw_sigma`) is apart from applying (`add_noise`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augengine.philox import Stream, derive_key, draw_uniform, philox4x32, uniform

NOISE_VERSION = 1
"""Written into every sample; changes if the same (seed, key, variant, pixel) ever gives other noise."""

# Pixels worked on at a time: the working set of a Philox round stays in the second-level cache.
_BLOCK = 1 << 13

FloatImage = NDArray[np.float32]


def draw_sigma(eps: float, seed: int, key: str, variant: int) -> float:
    """The standard deviation of one variant, uniform on (0, eps].

    Args:
        eps: Upper bound, in units of the [-1, 1] image range.
        seed: Root of every draw of a dataset.
        key: The source sample's key.
        variant: 1 ... K.
    """
    return eps * draw_uniform(derive_key(seed, key), variant, Stream.SIGMA)


def unit_noise(seed: int, key: str, variant: int, height: int, width: int) -> FloatImage:
    """Standard normal noise of one variant, float32 (3, height, width).

    A pixel's value depends on its own (x, y) alone, so a larger frame only adds pixels. Box-Muller runs in
    float64 and is rounded once: float32 logarithms and cosines differ between vector units.
    """
    return _keyed_unit_noise(derive_key(seed, key), variant, height, width)


def _keyed_unit_noise(philox_key: int, variant: int, height: int, width: int) -> FloatImage:
    out = np.empty((3, height * width), dtype=np.float32)
    for start in range(0, height * width, _BLOCK):
        pixel = np.arange(start, min(start + _BLOCK, height * width), dtype=np.int64)
        out[:, start : start + pixel.size] = _normals(pixel % width, pixel // width, variant, philox_key)
    return out.reshape(3, height, width)


def _normals(x: NDArray[np.int64], y: NDArray[np.int64], variant: int, key: int) -> FloatImage:
    counter = (
        x.astype(np.uint32),
        y.astype(np.uint32),
        np.uint32(variant).reshape(1),
        np.uint32(Stream.NOISE).reshape(1),
    )
    u0, u1, u2, u3 = (uniform(word) for word in philox4x32(counter, key))
    radius_01, radius_2 = np.sqrt(-2.0 * np.log(u0)), np.sqrt(-2.0 * np.log(u2))
    angle = 2.0 * np.pi * u1
    normals = (radius_01 * np.cos(angle), radius_01 * np.sin(angle), radius_2 * np.cos(2.0 * np.pi * u3))
    return np.stack(normals).astype(np.float32)


def add_noise(image_chw: FloatImage, out_chw: FloatImage, *, sigma: float, seed: int, key: str, variant: int) -> None:
    """Write ``image + sigma * noise`` into ``out``; nothing is clamped.

    Args:
        image_chw: float32 (3, height, width), the intermediate translation A'.
        out_chw: Same shape and type, filled; may be ``image_chw`` itself.
        sigma: Standard deviation in units of the [-1, 1] range.
        seed: Root of every draw of a dataset.
        key: The source sample's key.
        variant: 1 ... K.
    """
    add_keyed_noise(image_chw, out_chw, sigma=sigma, philox_key=derive_key(seed, key), variant=variant)


def add_keyed_noise(image_chw: FloatImage, out_chw: FloatImage, *, sigma: float, philox_key: int, variant: int) -> None:
    """As `add_noise`, with (seed, key) already folded into a Philox key: what travels inside a pipeline."""
    noise = _keyed_unit_noise(philox_key, variant, *image_chw.shape[1:])
    noise *= np.float32(sigma)
    np.add(image_chw, noise, out=out_chw)
