"""Colour deconvolution: a picture in one stain's colours made into another's."""

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
    amounts = concentrations(rgb_hwc, source)
    drawn = combine_stains(amounts, unmixing_matrix(target))
    rounded: RgbImage = np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)
    return rounded
