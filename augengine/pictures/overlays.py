"""Layers that lie over a picture: PNGs that are transparent where there is nothing to say."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from augengine.pictures.arrays import Mask

Colour = tuple[int, int, int, int]
"""Red, green, blue and opacity, 0 to 255 each."""


def overlay_png(classes: Mask, colours: Sequence[Colour]) -> bytes:
    """A palette PNG: nothing where the class is 0, ``colours[0]`` where it is 1, and so on.

    Args:
        classes: uint8 (H, W), none above the number of colours.
        colours: One for each class from 1 on.
    """
    layer = Image.fromarray(classes, "P")
    layer.putpalette([0, 0, 0, *(value for colour in colours for value in colour[:3])])
    out = io.BytesIO()
    layer.save(out, format="png", transparency=bytes([0, *(colour[3] for colour in colours)]), optimize=True)
    return out.getvalue()


def borders(mask: Mask) -> Mask:
    """1 on the borders between the classes of a mask, 0 elsewhere; uint8 (H, W)."""
    from skimage.segmentation import find_boundaries  # 0.2 s, and only pictures need it

    found: Mask = np.asarray(find_boundaries(mask), dtype=np.uint8)  # type: ignore[no-untyped-call]
    return found
