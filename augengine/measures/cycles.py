"""Tiles there and back: what every measure starts from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.chain.translate import quantise
from augengine.draws.noise import FloatImage
from augengine.errors import SpecError
from augengine.pictures.arrays import RgbImage

Translate = Callable[[Sequence[FloatImage]], list[FloatImage]]
"""A generator: float32 (3, H, W) images in [-1, 1], of any sizes that it takes, to as many of the same shapes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A tile, its translation and its reconstruction; float32 (3, H, W) in [-1, 1].

    Attributes:
        key: Names the tile; its noise is keyed by it.
        real: The tile.
        there: Its translation; A' of a tile of the stain.
        back: That translated back, without noise.
    """

    key: str
    real: FloatImage
    there: FloatImage
    back: FloatImage


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleError:
    """Mean absolute and root-mean-square difference, over all pixels, in units of the [-1, 1] range."""

    l1: float
    rms: float

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in decibels, of images whose values span 2; infinite without an error."""
        return 20 * math.log10(2 / self.rms) if self.rms else math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.l1 <= self.rms * (1 + 1e-6) + 1e-9 <= 2.1:
            raise SpecError(f"a cycle error is 0 <= l1 <= rms <= 2, got l1 {self.l1}, rms {self.rms}")


def run_cycles(keys: Sequence[str], reals: Sequence[FloatImage], first: Translate, second: Translate) -> list[Cycle]:
    """Every tile there by ``first`` and back by ``second``; errors as they raise them."""
    there = first(reals)
    rows = zip(keys, reals, there, second(there), strict=True)
    return [Cycle(key=key, real=real, there=a, back=back) for key, real, a, back in rows]


def cycle_error(cycles: Sequence[Cycle]) -> CycleError:
    """How far tiles are from their reconstructions."""
    difference: NDArray[np.float64] = np.concatenate(
        [(cycle.back.astype(np.float64) - cycle.real).ravel() for cycle in cycles]
    )
    return CycleError(l1=float(np.abs(difference).mean()), rms=float(np.sqrt(np.mean(difference**2))))


def rms(difference: FloatImage) -> float:
    """Root mean square of one image."""
    return float(np.sqrt(np.mean(difference.astype(np.float64) ** 2)))


def to_rgb(image_chw: FloatImage) -> RgbImage:
    """uint8 (H, W, 3) of float32 (3, H, W), rounded as `augment` rounds."""
    rgb: RgbImage = quantise(image_chw[None])[0]
    return rgb
