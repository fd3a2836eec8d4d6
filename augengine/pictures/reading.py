"""Stored images read by Pillow, which runs everywhere: what a trainer and `verify` see, with no codec for writing."""

from __future__ import annotations

import io

import numpy as np
from PIL.ImageFile import ImageFile

from augengine.errors import ContentError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.headers import (
    PILLOW_ERRORS,
    check_scans,
    open_picture,
    raw_mode,
    read_size,
    silenced,
    too_large,
)
from augengine.pictures.metadata import check_upright

_KINDS = {"L": "greyscale", "1": "greyscale", "P": "a palette image", "CMYK": "CMYK"}
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_FOUR_BYTES = ("BGRX", "BGRA", "XBGR", "ABGR", "RGBX")
_AS_RGB = "save it as 8-bit RGB, for example with Pillow: Image.open(f).convert('RGB').save(f)"


def read_image(data: bytes, *, max_side: int) -> RgbImage:
    """The pixels of an encoded image, uint8 (H, W, 3).

    They are those that `augengine.pictures.images.Decoder` gives; of a TIFF in YCbCr they may differ by a grey level.
    EXIF orientation is not applied, since masks are copied as they are; a TIFF that has one is refused. Where the
    program sets Pillow's ``LOAD_TRUNCATED_IMAGES``, a file that was cut short is read as far as it goes.

    Args:
        data: The encoded image.
        max_side: Longest side allowed, in pixels; what stops decompression bombs.

    Raises:
        ContentError: Anything but one 8-bit RGB picture of at most ``max_side``, or a damaged one.
    """
    if not data:
        raise ContentError("the image is empty (0 bytes)")
    check_scans(data)
    try:
        picture = _open(data, max_side)
    except PILLOW_ERRORS as error:
        raise _damaged(data, error) from error
    try:
        return np.asarray(picture.convert("RGB"))
    except MemoryError:
        raise  # its size is allowed: the machine is to blame
    except PILLOW_ERRORS as error:
        raise _damaged(data, error) from error


def read_image_or_error(data: bytes, *, max_side: int) -> RgbImage | ContentError:
    """An image as `read_image` reads it, or the error that it raises."""
    try:
        return read_image(data, max_side=max_side)
    except ContentError as error:
        return error


def _damaged(data: bytes, error: Exception) -> ContentError:
    hint = "png, jpg, tif, webp and bmp are read; check that the file was copied whole"
    return ContentError(f"the image ({len(data)} bytes) is damaged or no picture: {error}", hint=hint)


def _open(data: bytes, max_side: int) -> ImageFile:
    if (size := read_size(io.BytesIO(data))) is not None and max(size) > max_side:  # before a WebP is set up
        raise too_large(*size, max_side)
    picture = open_picture(data)
    if max(picture.size) > max_side:
        raise too_large(picture.height, picture.width, max_side)
    if reason := _why_not_rgb8(picture):
        raise ContentError(f"the image is {reason}, not 8-bit RGB", hint=_AS_RGB)
    if picture.format == "TIFF":
        check_upright(data, what="image")  # Pillow would turn these, and these alone
    if _has_second_page(picture):
        raise ContentError("the image holds several pages", hint="save the other pages as files of their own")
    return picture


def _why_not_rgb8(picture: ImageFile) -> str:
    if picture.mode in _ALPHA:
        return "an image with an alpha channel"
    packed = raw_mode(picture)
    if picture.mode == "RGBX" or packed in _FOUR_BYTES:
        return "an image with an alpha channel"
    if picture.mode in ("RGB", "YCbCr"):
        return "uint16" if ";16" in packed else ""
    return _KINDS.get(picture.mode, f"of Pillow's mode {picture.mode}")


def _has_second_page(picture: ImageFile) -> bool:
    """Asked for one page alone: counting the pages of a TIFF would follow a chain that a file may make endless."""
    if picture.format not in ("TIFF", "WEBP"):
        return False
    with silenced():
        try:
            picture.seek(1)
        except EOFError:
            return False
    return True
