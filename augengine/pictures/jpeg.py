"""The compression of a JPEG of somebody else's: its tables and its sampling of colours, not its quality's number."""

from __future__ import annotations

import io

from PIL import Image, JpegImagePlugin

from augengine.pictures.arrays import RgbImage

_MAGIC = b"\xff\xd8\xff"


def encode_like(rgb_hwc: RgbImage, other: bytes) -> bytes | None:
    """uint8 (H, W, 3) as a JPEG of the same compression as another file's; None if that is no JPEG.

    Args:
        rgb_hwc: The pixels.
        other: The other file, which was decoded before without an error.
    """
    if not other.startswith(_MAGIC):
        return None
    like = JpegImagePlugin.JpegImageFile(io.BytesIO(other))
    sampling = JpegImagePlugin.get_sampling(like)
    file = io.BytesIO()
    # An unusual sampling has no name in Pillow; most encoders halve the colours both ways.
    Image.fromarray(rgb_hwc).save(file, "JPEG", qtables=like.quantization, subsampling=sampling if sampling >= 0 else 2)
    return file.getvalue()
