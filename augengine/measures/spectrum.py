"""How much of an image lies at each radial frequency: where a hidden code would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.draws.noise import FloatImage
from augengine.errors import SpecError

HIGHEST = 0.5**0.5
"""Cycles a pixel of a checkerboard, the finest that an image holds; half a cycle is the finest along its rows."""

BINS = 45
"""Rings up to there, a sixty-fourth of a cycle wide."""

FINE = 0.25
"""Frequency, in cycles per pixel, from which on a period is at most 4 px.

That is finer than what stains show at 0.5 um/px, so codes have room there."""

CORNER = 0.69
"""Frequency, in cycles per pixel, from which on only the very corners of the spectrum are left.

A checkerboard of single pixels stands there."""

_MIN_POWER = 1e-20  # a flat image has none, and none has no logarithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """Power by radial frequency.

    Attributes:
        frequency: Middle of each ring, cycles a pixel, ascending in (0, 0.71).
        power: Mean power density in it, of images in [-1, 1]; positive.
    """

    frequency: tuple[float, ...]
    power: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.frequency) != len(self.power) or not min(self.power, default=0) > 0:
            raise SpecError("a spectrum has one positive power a frequency")

    def over(self, other: Spectrum) -> Excess:
        """What there is more of than in ``other``, of images of the same size.

        Raises:
            SpecError: The images had other sizes.
        """
        if self.frequency != other.frequency:
            raise SpecError("two spectra compare where their images have one size")
        frequency = np.array(self.frequency)
        ratio_db = 10 * np.log10(np.array(self.power) / np.array(other.power))
        fine = frequency >= FINE
        peak = int(np.argmax(np.where(fine, ratio_db, -np.inf)))
        return Excess(
            ratio_db=tuple(ratio_db.tolist()),
            fine_db=float(ratio_db[fine].mean()),
            peak_db=float(ratio_db[peak]),
            peak_frequency=float(frequency[peak]),
        )

    def checkerboard_over(self, other: Spectrum) -> float:
        """Mean power in the corners over that of ``other``, in decibels; 0 where there is no more checkerboard.

        Raises:
            SpecError: The images had other sizes, or so small ones that no ring lies in the corners.
        """
        ratio_db = np.array(self.over(other).ratio_db)
        corners = np.array(self.frequency) >= CORNER
        if not corners.any():
            raise SpecError("the images are too small to show a checkerboard")
        return float(ratio_db[corners].mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """Power over that of another spectrum, in decibels.

    Attributes:
        ratio_db: At each frequency.
        fine_db: The mean from 0.25 cycles a pixel on.
        peak_db: The largest of those.
        peak_frequency: Where that stands, cycles a pixel; 0.7 is a checkerboard.
    """

    ratio_db: tuple[float, ...]
    fine_db: float
    peak_db: float
    peak_frequency: float


def spectrum(images_chw: Sequence[FloatImage]) -> Spectrum:
    """The mean radial power spectrum of images.

    Means are removed, and a Hann window keeps the borders from leaking into every frequency.

    Args:
        images_chw: float32 (3, H, W), of any sizes.

    Raises:
        SpecError: No image, or one smaller than 16 px.
    """
    if not images_chw or min(min(image.shape[1:]) for image in images_chw) < 16:
        raise SpecError("a spectrum needs images of at least 16 px")
    edges = np.linspace(0, HIGHEST + 1e-9, BINS + 1)
    sums, counts = np.sum([_rings(image, edges) for image in images_chw], axis=0)
    seen = counts > 0  # a small image has no frequency in some rings
    middles = (edges[:-1] + edges[1:]) / 2
    power = np.maximum(sums[seen] / counts[seen], _MIN_POWER)
    return Spectrum(frequency=tuple(middles[seen].tolist()), power=tuple(power.tolist()))


def _rings(image_chw: FloatImage, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power density summed over each ring, and how many frequencies lie in it; (2, rings)."""
    height, width = image_chw.shape[1:]
    window = np.hanning(height)[:, None] * np.hanning(width)
    centred = image_chw - image_chw.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    power = (np.abs(np.fft.fft2(centred * window)) ** 2).mean(axis=0) / np.square(window).sum()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    radius[0, 0] = np.inf  # what the window leaves of the mean
    ring = np.digitize(radius.ravel(), edges) - 1
    inside = (ring >= 0) & (ring < len(edges) - 1)
    counts = np.bincount(ring[inside], minlength=len(edges) - 1)
    sums = np.bincount(ring[inside], weights=power.ravel()[inside], minlength=len(edges) - 1)
    return np.stack([sums, counts])
