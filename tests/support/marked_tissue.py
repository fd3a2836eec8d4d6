"""A small picture of tissue with markers on it, drawn in two stains; its places are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import combine_stains

from augengine.pictures.colour import unmixing_matrix
from augengine.stains import BUILT_IN, Stain

SIDE = 160
THRESHOLD = 0.05
"""Chromogen concentration between that of the tissue, 0.01, and that of the markers, 0.15."""

_SPACING = 40


def marked_tissue(*, seed: int, stain: Stain = BUILT_IN["cd68"], side: int = SIDE) -> NDArray[np.uint8]:
    """Uneven haematoxylin everywhere but in a strip of glass on the right, and a disc of chromogen every 40 px.

    uint8 (side, side, 3).
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    amounts = np.zeros((side, side, 3))
    amounts[..., 0] = 0.05 + 0.5 * np.abs(gaussian_filter(rng.normal(size=(side, side)), 2))
    amounts[..., 1] = 0.01
    centres = _SPACING // 2 + rng.integers(-6, 7, 2)
    distance = np.hypot((y - centres[0]) % _SPACING - _SPACING // 2, (x - centres[1]) % _SPACING - _SPACING // 2)
    amounts[..., 1] += 0.14 * np.clip(6.5 - distance, 0, 1)
    amounts[:, -side // 8 :] = 0
    light = combine_stains(amounts, unmixing_matrix(stain))
    drawn: NDArray[np.uint8] = np.rint(255 * light).astype(np.uint8)
    return drawn
