"""Chromogen taken away and laid on, by the law of Beer and Lambert: optical densities of stains add up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import concentrations, unmixing_matrix
from augengine.stains import Stain

Amounts = NDArray[np.float64]

_NATURAL = -np.log(1e-6)  # the unit of `concentrations`, as a natural optical density


def add_stain(rgb_hwc: RgbImage, stain: Stain, *, chromogen: Amounts, residual: Amounts | float = 0.0) -> RgbImage:
    """A picture with so much more of the chromogen, or with less of it.

    Where nothing is added, the pixels stay as they are, byte for byte.

    Args:
        rgb_hwc: uint8 (H, W, 3).
        stain: Its vectors.
        chromogen: float64 (H, W), in the unit of `augengine.pictures.colour.concentrations`; negative takes away.
        residual: The same along the direction across both stains.

    Returns:
        uint8 (H, W, 3).
    """
    _, own, across = unmixing_matrix(stain)
    density = chromogen[..., None] * own + np.asarray(residual)[..., None] * across
    light = np.maximum(rgb_hwc, 1) * np.exp(-_NATURAL * density)
    drawn: RgbImage = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return np.where((density == 0).all(axis=-1, keepdims=True), rgb_hwc, drawn)


def scale_chromogen(rgb_hwc: RgbImage, stain: Stain, factor: float) -> RgbImage:
    """A picture with ``factor`` times its chromogen: 0 takes all of it away, 1 changes nothing.

    Args:
        rgb_hwc: uint8 (H, W, 3).
        stain: Its vectors.
        factor: At least 0.
    """
    return add_stain(rgb_hwc, stain, chromogen=(factor - 1) * concentrations(rgb_hwc, stain)[..., 1])
