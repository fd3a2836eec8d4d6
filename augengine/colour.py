"""Colour deconvolution: what a picture holds of each stain, and pictures drawn from that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import combine_stains, separate_stains

from augengine.stains import Stain

RgbImage = NDArray[np.uint8]


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
