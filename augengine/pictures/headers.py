"""Encoded pictures looked at by their headers with Pillow: which kind, how large, how packed; no pixel is decoded."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import BinaryIO

from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from augengine.errors import ContentError

PNG_MAGIC, _JPEG_MAGIC, _JPEG_SCAN = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xda"

MAX_SCANS = 64
"""Scans of a JPEG; progressive ones have ten. Each is a pass over the picture: 5000 in 67 KB take 10 s at 1024 px."""

_WARNINGS = threading.RLock()
_EXIF_WITHIN = 1 << 12
"""Where the EXIF of a JPEG begins: Pillow reads its tags as it opens the file."""

# Pillow's classes by name, not Image.open: no bomb check that would hide the size, no exotic formats to attack.
_OPENERS: tuple[tuple[bytes, Callable[[BinaryIO], ImageFile]], ...] = (
    (PNG_MAGIC, PngImagePlugin.PngImageFile),
    (_JPEG_MAGIC, JpegImagePlugin.JpegImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
)
# What Pillow's plugins raise on damaged files, as its own Image.open expects, and what fuzzed files added.
PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError, struct.error,
)  # fmt: skip


def read_size(file: BinaryIO) -> tuple[int, int] | None:
    """(height, width) from an image file's header, or None if it cannot be read; no pixel is decoded.

    Args:
        file: Seekable and at 0, the image's first byte; only the header is read.
    """
    head = file.read(30)
    file.seek(0)
    if head[:4] == b"RIFF":  # Pillow would read and set up the whole file
        return _webp_size(head)
    try:
        width, height = open_stream(head, file).size
    except PILLOW_ERRORS:
        return None
    return (height, width) if height > 0 and width > 0 else None


def open_picture(data: bytes) -> ImageFile:
    """An encoded picture, its header read by Pillow.

    Raises:
        OSError: No format that is read; another of `PILLOW_ERRORS` if it is damaged.
    """
    return open_stream(data[:30], io.BytesIO(data))


@contextmanager
def silenced() -> Iterator[None]:
    """Without Pillow's warnings of damaged tags, and without their becoming errors.

    Python's filters are global, so one thread at a time: nothing that takes long belongs in here.
    """
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_stream(head: bytes, file: BinaryIO) -> ImageFile:
    """A picture in an open file whose first bytes are ``head``; errors as in `open_picture`."""
    for magic, opener in _OPENERS:
        if head.startswith(magic):
            with silenced() if _has_tags(opener, file) else nullcontext():
                return opener(file)
    raise OSError("not a png, jpg, tif, bmp or webp file")


def _has_tags(opener: Callable[[BinaryIO], ImageFile], file: BinaryIO) -> bool:
    """Whether Pillow reads tags, of which it may warn, as it opens a file that is at its beginning."""
    if opener is not JpegImagePlugin.JpegImageFile:
        return opener is TiffImagePlugin.TiffImageFile
    begins = file.read(_EXIF_WITHIN)
    file.seek(0)
    return b"Exif" in begins


def _new_lock() -> None:
    """In a forked child nobody holds the lock that some thread of the parent may have held."""
    global _WARNINGS
    _WARNINGS = threading.RLock()


os.register_at_fork(after_in_child=_new_lock)


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind, body = head[12:16], head[20:]
    if len(head) < 30:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[7:10], "little"), 1 + int.from_bytes(body[4:7], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(body[8:10], "little") & 0x3FFF, int.from_bytes(body[6:8], "little") & 0x3FFF
    return None


def raw_mode(picture: ImageFile) -> str:
    """How the pixels are packed in the file, in Pillow's words."""
    raw = picture.tile[0].args if picture.tile else None
    return str(raw[0] if isinstance(raw, tuple) else raw)


def check_scans(data: bytes) -> None:
    """Refuse a JPEG of too many scans.

    Raises:
        ContentError: It has more than `MAX_SCANS`, those of previews included.
    """
    # Inside a scan 0xff is stuffed, so these are markers.
    if data.startswith(_JPEG_MAGIC) and (scans := data.count(_JPEG_SCAN)) > MAX_SCANS:
        raise ContentError(f"the image is a JPEG of {scans} scans, {MAX_SCANS} are allowed", hint="save it anew")


def too_large(height: int, width: int, max_side: int) -> ContentError:
    """The error for an image whose side exceeds ``max_side``."""
    hint = "cut it into tiles with `augengine tile`, or raise --max-side"
    return ContentError(f"the image is {width} x {height} px, the longest side allowed is {max_side}", hint=hint)
