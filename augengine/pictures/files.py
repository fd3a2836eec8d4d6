"""Pictures as files of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image
from augengine.storage.atomic import write_whole


def write_png(file: Path, rgb_hwc: RgbImage) -> None:
    """Write uint8 (H, W, 3) as PNG; the folder is made if it is missing.

    Raises:
        TargetError: It cannot be written.
    """
    write_whole(file, encode_image(np.ascontiguousarray(rgb_hwc), "png"))
