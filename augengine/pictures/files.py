"""Pictures as files of their own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image
from augengine.storage.atomic import write_whole


def write_png(file: Path, rgb_hwc: RgbImage) -> None:
    """Write uint8 (H, W, 3) as PNG; the folder is made if it is missing.

    Raises:
        TargetError: It cannot be written.
    """
    write_whole(file, encode_image(np.ascontiguousarray(rgb_hwc), "png"))


def write_flicker(file: Path, frames: Sequence[RgbImage], *, seconds: float = 0.8) -> None:
    """Write pictures of one size that are shown in turns, for ever, as a GIF; the folder is made if it is missing.

    Args:
        file: Where to.
        frames: uint8 (H, W, 3) each; a GIF keeps 256 colours of each.
        seconds: How long one is shown.

    Raises:
        TargetError: It cannot be written.
    """
    # Without dithering, whose grain would flicker too.
    pages = [Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE) for frame in frames]
    out = io.BytesIO()
    options = {"append_images": pages[1:], "duration": round(1000 * seconds), "loop": 0, "optimize": True}
    pages[0].save(out, format="gif", save_all=True, **options)
    write_whole(file, out.getvalue())
