"""Tiles and masks at a coarser scale: a whole glomerulus in a few pixels is all that a small network can see."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from augengine.pictures.arrays import RgbImage
from augengine.pictures.resample import resample

Pixel = TypeVar("Pixel", bound=np.generic)


def shrink_image(rgb_hwc: RgbImage, by: int) -> RgbImage:
    """uint8 (H // by, W // by, 3): the mean of each block; what is left of a block at the far edges is cut off."""
    return rgb_hwc if by == 1 else resample(rgb_hwc, 1 / by)


def shrink_mask(mask: NDArray[Pixel], by: int) -> NDArray[Pixel]:
    """(H // by, W // by): the class in the middle of each block."""
    height, width = (size // by * by for size in mask.shape)
    return mask[by // 2 : height : by, by // 2 : width : by]
