"""A picture at a coarser scale, exactly that scale: what slides and training pictures are resampled by."""

from __future__ import annotations

import numpy as np
from PIL import Image

from augengine.pictures.arrays import Mask, RgbImage

LANCZOS_REACH = 3.0
"""How far outside a window its pixels look, in pixels of the result."""

SAME_SCALE = 0.01
"""Scales this close to a whole divisor are taken for it: block means are sharper, and the um/px stay truly stated."""

_EXACT = 1e-9


def whole_scale(scale: float) -> float:
    """The whole divisor that ``scale`` is within `SAME_SCALE` of, or ``scale`` itself; 1 at least if close to it."""
    whole = max(1, round(scale))
    return float(whole) if abs(scale / whole - 1) <= SAME_SCALE else scale


def resampled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """(height, width) after `resample`: rounded down, so that no pixel reaches over the edge."""
    return int(size[0] * factor + 1e-6), int(size[1] * factor + 1e-6)


def resample(rgb_hwc: RgbImage, factor: float) -> RgbImage:
    """A picture at ``factor`` times its sides; what is left of a pixel at the edges is cut off. See `window`."""
    height, width = resampled_size(rgb_hwc.shape[:2], factor)
    return window(rgb_hwc, x=0, y=0, scale=1 / factor, height=height, width=width)


def window(rgb_hwc: RgbImage, *, x: float, y: float, scale: float, height: int, width: int) -> RgbImage:
    """A window of a picture, resampled; two windows side by side are the two halves of a wider one.

    Whole divisors by the mean of each block (Pillow's reduce), other scales by Pillow's Lanczos, which is widened
    when it shrinks, so that fine texture does not alias.

    Args:
        rgb_hwc: uint8 (H, W, 3). For Lanczos it should reach `LANCZOS_REACH` times ``scale`` beyond the window.
        x, y: The window's upper left corner, in pixels of the picture; the first pixel covers [0, 1).
        scale: Pixels of the picture that one of the result is wide.
        height, width: Size of the result in pixels.

    Returns:
        uint8 (height, width, 3); the picture itself where that is all of it.
    """
    by = round(scale)
    left, top = round(x), round(y)
    aligned = abs(x - left) < _EXACT and abs(y - top) < _EXACT
    if aligned and by >= 1 and abs(scale - by) < _EXACT:
        cut = rgb_hwc[top : top + height * by, left : left + width * by]
        # Not resize(BOX): that rounds to 8 bits twice, after rows and after columns.
        return np.ascontiguousarray(cut) if by == 1 else np.array(Image.fromarray(cut).reduce(by))
    box = (x, y, x + width * scale, y + height * scale)
    return np.array(Image.fromarray(rgb_hwc).resize((width, height), Image.Resampling.LANCZOS, box=box))


def shrunk(rgb_hwc: RgbImage, longest: int) -> RgbImage:
    """A picture, smaller where a side is above ``longest`` pixels; for the eye alone."""
    picture = Image.fromarray(rgb_hwc)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def shrunk_classes(classes: Mask, longest: int) -> Mask:
    """The classes of a picture that `shrunk` makes smaller, none of them mixed; uint8 (H, W)."""
    picture = Image.fromarray(classes)
    picture.thumbnail((longest, longest), Image.Resampling.NEAREST, reducing_gap=None)
    return np.asarray(picture, dtype=np.uint8)
