"""What a JPEG of somebody else's makes of pixels: its tables and its sampling of colours, not its quality's number."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, JpegImagePlugin

from augengine.pictures.arrays import RgbImage

_MAGIC = b"\xff\xd8\xff"


def as_same_jpeg(rgb_hwc: RgbImage, like: bytes) -> RgbImage:
    """What is left of uint8 (H, W, 3) after the compression of another picture; the same pixels if that is no JPEG.

    Args:
        rgb_hwc: The pixels.
        like: The other picture's file, which was decoded before without an error.
    """
    if not like.startswith(_MAGIC):
        return rgb_hwc
    other = JpegImagePlugin.JpegImageFile(io.BytesIO(like))
    sampling = JpegImagePlugin.get_sampling(other)
    file = io.BytesIO()
    kept = {"qtables": other.quantization, "subsampling": sampling if sampling >= 0 else 2}
    Image.fromarray(rgb_hwc).save(file, "JPEG", **kept)
    file.seek(0)
    return np.asarray(Image.open(file, formats=["JPEG"]).convert("RGB"))
