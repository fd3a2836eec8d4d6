"""Tiles that a glomerulus fills, whatever its size: so the three pictures of CD68 show theirs."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np
from PIL import Image
from skimage.measure import label, regionprops

from augengine.pictures.arrays import Mask, RgbImage
from augengine_train.data.matched_tiles import SIDE

Square = tuple[int, int, int]
"""Upper left corner y, x and side, in pixels."""

WIDER = (1.15, 1.6)
"""Sides of the squares about a glomerulus, over the longer side of its box."""

_MIN_BOX = 64
"""A glomerulus whose box is smaller is a sliver, in pixels."""


def squares(mask: Mask) -> Iterator[Square]:
    """Squares about each whole glomerulus of a mask, (H, W), as far as they fit into the picture.

    A glomerulus that the picture's edge cuts, or a sliver, has none.
    """
    height, width = mask.shape
    for spot in regionprops(label(mask > 0)):  # type: ignore[no-untyped-call]
        top, left, bottom, right = spot.bbox
        longer = max(bottom - top, right - left)
        if longer < _MIN_BOX or min(top, left) <= 0 or bottom >= height or right >= width:
            continue
        for wider in WIDER:
            side = min(ceil(wider * longer), height, width)
            y, x = ((low + high - side) // 2 for low, high in ((top, bottom), (left, right)))
            yield min(max(y, 0), height - side), min(max(x, 0), width - side), side


def cut(image: RgbImage, mask: Mask, square: Square) -> tuple[RgbImage, Mask]:
    """A square of a picture and of its mask, scaled to the side of a tile."""
    y, x, side = square
    box, size = (x, y, x + side, y + side), (SIDE, SIDE)
    picture = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC, box=box)
    ids = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST, box=box)
    return np.asarray(picture), np.asarray(ids)
