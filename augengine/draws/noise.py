"""Sigma and noise as pure functions of (seed, key, variant, pixel).

The method: A' + N(0, sigma^2) per pixel and channel, sigma ~ U(0, eps] once a variant, all in units of the
[-1, 1] image range (ISBI 2021, section 3). Drawing (`draw_sigma`) is apart from applying (`add_noise`).

Standard normals come from the words of Philox by Box and Muller, "A note on the generation of random normal deviates"
(Ann. Math. Stat. 29, 1958), in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.draws.noise_kernel import NOISE_KERNEL
from augengine.draws.philox import Stream, Words, derive_key, draw_uniform, philox4x32, uniform
from augengine.spec import NoiseSpec

NOISE_VERSION = 1
"""Written into every sample; changes if the same (seed, key, variant, pixel) ever gives other noise."""

# Pixels worked on at a time, in whole rows: the working set of a Philox round stays in the second-level cache.
_BLOCK = 1 << 14

FloatImage = NDArray[np.float32]
Normals = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

# A uniform of 24 bits, as an angle, is one of 4097 coarse turns and one of 4096 fine ones: exp(a + b) = exp(a) exp(b).
_FINE_BITS = np.uint32(12)
_FINE_MASK = np.uint32((1 << 12) - 1)
_COARSE = np.exp(2j * np.pi * np.arange((1 << 12) + 1) / (1 << 12))
_FINE = np.exp(2j * np.pi * np.arange(1 << 12) / (1 << 24))


@dataclass(frozen=True, slots=True)
class GaussianNoise:
    """The method's noise as a value: it draws its sigma, and it adds itself to an intermediate translation.

    Attributes:
        spec: eps and seed.
    """

    spec: NoiseSpec

    @property
    def kernel(self) -> str:
        """CUDA source of a kernel ``add_noise``, which does on a GPU what `draw` and a sum do on a CPU."""
        return NOISE_KERNEL

    def philox_key(self, key: str) -> int:
        """The Philox key of a source sample, 64 bits."""
        return derive_key(self.spec.seed, key)

    def sigma(self, key: str, variant: int) -> float:
        """The standard deviation of one variant, as `draw_sigma` has it."""
        return draw_sigma(self.spec.eps, self.spec.seed, key, variant)

    def draw(self, out_chw: FloatImage, *, sigma: float, philox_key: int, variant: int) -> None:
        """Write ``sigma * noise`` into float32 (3, height, width).

        It asks for no image: a pipeline draws while the image that it will be added to is being made.
        """
        _draw(out_chw, sigma=sigma, philox_key=philox_key, variant=variant)

    def add(self, image_chw: FloatImage, out_chw: FloatImage, *, key: str, variant: int) -> None:
        """Write the image and this variant's noise into ``out``, as `add_noise` does, with the sigma drawn for it."""
        sigma = self.sigma(key, variant)
        add_noise(image_chw, out_chw, sigma=sigma, seed=self.spec.seed, key=key, variant=variant)


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

    A pixel's value depends on its own (x, y) alone, so a larger frame only adds pixels. Drawn in float64 and
    rounded once.
    """
    out = np.empty((3, height, width), dtype=np.float32)
    _fill(out, derive_key(seed, key), variant)
    return out


def _fill(out_chw: FloatImage, philox_key: int, variant: int) -> None:
    _, height, width = out_chw.shape
    rows = max(1, _BLOCK // width)
    for start in range(0, height, rows):
        _write_normals(out_chw[:, start : start + rows], start, variant, philox_key)


def _write_normals(out: FloatImage, first_row: int, variant: int, key: int) -> None:
    """Fill (3, rows, width), a frame's rows from ``first_row`` on."""
    _, rows, width = out.shape
    counter = (
        np.arange(width, dtype=np.uint32).reshape(1, -1),
        np.arange(first_row, first_row + rows, dtype=np.uint32).reshape(-1, 1),
        np.uint32(variant).reshape(1, 1),
        np.uint32(Stream.NOISE).reshape(1, 1),
    )
    for channel, normals in zip(out, three_normals(philox4x32(counter, key)), strict=True):
        channel[...] = normals


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
    noise = np.empty_like(image_chw)
    _draw(noise, sigma=sigma, philox_key=derive_key(seed, key), variant=variant)
    np.add(image_chw, noise, out=out_chw)


def _draw(out_chw: FloatImage, *, sigma: float, philox_key: int, variant: int) -> None:
    _fill(out_chw, philox_key, variant)
    out_chw *= np.float32(sigma)


def three_normals(words: tuple[Words, Words, Words, Words]) -> Normals:
    """Three independent standard normals for every four words.

    In float64, since logarithms and cosines in float32 differ between vector units.
    """
    radius_01, turn_01 = _radius(words[0]), turn(words[1])
    radius_2, turn_2 = _radius(words[2]), turn(words[3])
    return radius_01 * turn_01.real, radius_01 * turn_01.imag, radius_2 * turn_2.real


def turn(words: Words) -> NDArray[np.complex128]:
    """``exp(2 pi i u)``, u being `uniform` of the words; from tables, to 1e-15: cosines are slow."""
    steps = (words >> np.uint32(8)) + np.uint32(1)
    coarse, fine = (steps >> _FINE_BITS).astype(np.intp), (steps & _FINE_MASK).astype(np.intp)
    turned: NDArray[np.complex128] = _COARSE[coarse] * _FINE[fine]
    return turned


def _radius(words: Words) -> NDArray[np.float64]:
    """``sqrt(-2 ln u)``."""
    u = uniform(words)
    np.log(u, out=u)
    u *= -2.0
    return np.sqrt(u, out=u)
