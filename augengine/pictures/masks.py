"""Masks: class ids as the file states them, read by Pillow, which shows palette indices as they are."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import JpegImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from augengine.errors import ContentError
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.headers import (
    PILLOW_ERRORS,
    PNG_MAGIC,
    open_picture,
    open_stream,
    raw_mode,
    read_size,
    too_large,
)
from augengine.storage import open_plain

_AS_CLASS_IDS = "save the mask as an 8-bit greyscale or palette PNG whose values are class ids"
_LOSSLESS = "draw the mask anew as a PNG: what a lossy file has changed cannot be told from class ids"
_PNG_CLASS_IDS = ((8, 0), (8, 3))  # (bit depth, colour type): greyscale and palette

_STRETCHED = {"L;2": 85, "L;4": 17}
"""How Pillow packs grey levels of 2 and 4 bits, and by what it multiplies them to reach 255."""

_GREY_MODES = ("L", "None", *_STRETCHED)
_LOSSY_IN_TIFF = ("jpeg", "tiff_jpeg", "webp", "jpeg2000")


def read_mask(data: bytes, *, max_side: int) -> Mask:
    """The class ids of a mask, uint8 (H, W): grey levels and palette indices of up to 8 bits as the file states them.

    Raises:
        ContentError: As in `check_mask`, or its pixels cannot be read.
    """
    with _mask_errors():
        picture = _open_mask(data, max_side)
        factor = _STRETCHED.get(raw_mode(picture), 1)  # how it is packed is forgotten once it is decoded
        return np.asarray(picture).astype(np.uint8) // factor


def fitting_mask(data: bytes | None, image_hwc: RgbImage, *, max_side: int) -> Mask | None:
    """The class ids of a picture's mask, to be drawn over it; None if there is none that can be read and has its size.

    A drawing goes without such a mask. `augment`, which writes it, names what is wrong with it.
    """
    if data is None:
        return None
    with suppress(ContentError):
        mask = read_mask(data, max_side=max_side)
        return mask if mask.shape == image_hwc.shape[:2] else None
    return None


def check_mask(data: bytes, *, max_side: int) -> tuple[int, int]:
    """(height, width) of a mask, from its header alone.

    Raises:
        ContentError: Unreadable, larger than ``max_side``, coded with losses, or no class ids of at most 8 bits.
    """
    with _mask_errors():
        picture = _open_mask(data, max_side)
        return picture.height, picture.width


@contextmanager
def _mask_errors() -> Iterator[None]:
    try:
        yield
    except PILLOW_ERRORS as error:
        raise ContentError(f"the mask cannot be read: {error}", hint=_AS_CLASS_IDS) from error


def _open_mask(data: bytes, max_side: int) -> ImageFile:
    if (size := read_size(io.BytesIO(data))) is not None and max(size) > max_side:  # before a WebP is set up
        raise too_large(*size, max_side)
    picture = open_picture(data)
    if max(picture.size) > max_side:
        raise too_large(picture.height, picture.width, max_side)
    if coding := _lossy_coding(data, picture):
        raise ContentError(f"the mask is coded as {coding}, which changes class ids", hint=_LOSSLESS)
    if reason := _why_not_class_ids(picture):
        raise ContentError(f"the mask is {reason}, not 8-bit class ids", hint=_AS_CLASS_IDS)
    return picture


def _lossy_coding(data: bytes, picture: ImageFile) -> str:
    """What lossy code a mask's pixels are in, by its bytes, whatever its name; empty if it has none."""
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        return "JPEG"
    if isinstance(picture, WebPImagePlugin.WebPImageFile) and b"VP8L" not in data[12:]:
        return "lossy WebP"
    compression = picture.info.get("compression")
    return f"{compression} within TIFF" if compression in _LOSSY_IN_TIFF else ""


def check_lossless_tiff(file: Path) -> None:
    """Refuse a TIFF on a disk whose pixels are coded with losses, by its header alone; BigTIFF is not looked into.

    Raises:
        ContentError: It is coded so, which changes class ids.
    """
    compression = None
    with open_plain(file) as stream, suppress(*PILLOW_ERRORS):
        head = stream.read(30)
        stream.seek(0)
        compression = open_stream(head, stream).info.get("compression")
    if compression in _LOSSY_IN_TIFF:
        raise ContentError(f"the mask is coded as {compression} within TIFF, which changes class ids", hint=_LOSSLESS)


def _why_not_class_ids(picture: ImageFile) -> str:
    if picture.mode in ("RGB", "RGBA", "CMYK", "YCbCr", "LAB"):
        return f"a colour picture of mode {picture.mode}"
    if picture.mode not in ("L", "P", "1"):
        return f"of Pillow's mode {picture.mode}"
    packed = raw_mode(picture)
    # Pillow inverts TIFF's white-is-zero.
    return f"greyscale packed as {packed}" if picture.mode == "L" and packed not in _GREY_MODES else ""


def mask_is_canonical(data: bytes) -> bool:
    """Whether a mask is an 8-bit greyscale or palette PNG already, so that it is copied byte for byte."""
    return data.startswith(PNG_MAGIC) and len(data) > 25 and (data[24], data[25]) in _PNG_CLASS_IDS
