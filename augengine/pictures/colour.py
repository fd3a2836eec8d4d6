"""Colour: what a picture holds of each stain, pictures drawn from that, and where there is tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import combine_stains, separate_stains

from augengine.pictures.arrays import RgbImage
from augengine.stains import Stain


def unmixing_matrix(stain: Stain) -> NDArray[np.float64]:
    """Rows of unit length: counterstain, chromogen, and the direction across both (Ruifrok and Johnston 2001)."""
    counterstain, chromogen = np.array(stain.counterstain), np.array(stain.chromogen)
    rows = np.stack([counterstain, chromogen, np.cross(counterstain, chromogen)])
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def concentrations(rgb_hwc: RgbImage, stain: Stain) -> NDArray[np.float64]:
    """Amounts of counterstain, chromogen and residual, float64 (H, W, 3), of a uint8 picture."""
    amounts: NDArray[np.float64] = separate_stains(rgb_hwc, np.linalg.inv(unmixing_matrix(stain)))
    return amounts


def recolour(rgb_hwc: RgbImage, source: Stain, target: Stain) -> RgbImage:
    """A picture of ``source`` drawn in the colours of ``target``; uint8 (H, W, 3), the same tissue."""
    return _draw(concentrations(rgb_hwc, source), target)


def chromogen_alone(rgb_hwc: RgbImage, stain: Stain) -> RgbImage:
    """A picture with the chromogen in its own colour and nothing else, on white; uint8 (H, W, 3)."""
    amounts = concentrations(rgb_hwc, stain)
    amounts[..., [0, 2]] = 0
    return _draw(amounts, stain)


def _draw(amounts: NDArray[np.float64], stain: Stain) -> RgbImage:
    drawn = combine_stains(amounts, unmixing_matrix(stain))
    rounded: RgbImage = np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)
    return rounded


TISSUE_DENSITY = 0.04
"""Mean optical density from which on there is tissue. A rule by saturation misses pale stroma and CD68; this one finds
89 % of the pixels of kidney fields in PAS and CD68, and nothing on a blank slide."""


def mean_density(rgb_hwc: RgbImage) -> NDArray[np.float32]:
    """Optical density, averaged over R, G and B; float32 (H, W) from 0 (white) to 2.4 (black)."""
    density: NDArray[np.float32] = _DENSITY[rgb_hwc[..., 0]]
    for channel in (1, 2):  # one after the other: thumbnails are large
        density += _DENSITY[rgb_hwc[..., channel]]
    density /= 3
    return density


_DENSITY = -np.log10((np.arange(256) + 1) / 256).astype(np.float32)


def tissue_mask(rgb_hwc: RgbImage, *, threshold: float = TISSUE_DENSITY, smoothing: float = 2.0) -> NDArray[np.bool_]:
    """Where there is tissue.

    Args:
        rgb_hwc: uint8 (H, W, 3).
        threshold: Tissue has a mean optical density above this.
        smoothing: Deviation of the Gaussian that the density is smoothed with first, px.

    Returns:
        bool (H, W).
    """
    from skimage.filters import gaussian  # 0.3 s, and only this needs it

    smooth: NDArray[np.float32] = gaussian(mean_density(rgb_hwc), sigma=smoothing)  # type: ignore[no-untyped-call]
    return smooth > threshold
