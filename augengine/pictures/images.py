"""Bytes to pixels: images and masks are decoded, and a bad one leaves its neighbours alone.

Images are decoded by nvimgcodec. Masks hold class ids, so Pillow reads them: it shows palette indices as they are.
"""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from augengine.errors import ContentError, SpecError
from augengine.pictures.arrays import Mask, RgbImage

_AS_RGB = "save it as 8-bit RGB, for example with Pillow: Image.open(f).convert('RGB').save(f)"
_OR_MASK = "; if it is a mask, give it a mask's name, such as NAME_mask.png beside NAME.png"
_AS_CLASS_IDS = "save the mask as an 8-bit greyscale or palette PNG whose values are class ids"
_GREY, _PALETTE = "greyscale", "a palette image"
_LOSSLESS = "draw the mask anew as a PNG: what a lossy file has changed cannot be told from class ids"

PNG_MAGIC, _JPEG_MAGIC, _JPEG_SCAN = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xda"
_PNG_CLASS_IDS = ((8, 0), (8, 3))  # (bit depth, colour type): greyscale and palette

MAX_SCANS = 64
"""Scans of a JPEG; progressive ones have ten. Each is a pass over the picture: 5000 in 67 KB take 10 s at 1024 px."""

_STRETCHED = {"L;2": 85, "L;4": 17}
"""How Pillow packs grey levels of 2 and 4 bits, and by what it multiplies them to reach 255."""

_GREY_MODES = ("L", "None", *_STRETCHED)
_LOSSY_IN_TIFF = ("jpeg", "tiff_jpeg", "webp", "jpeg2000")

_WARNINGS = threading.RLock()
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


@cache
def _nvimgcodec() -> Any:
    """The package, imported late: it reads its verbosity then, and says every corrupt file on stderr otherwise."""
    os.environ.setdefault("PYNVIMGCODEC_VERBOSITY", "0")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    from nvidia import nvimgcodec

    return nvimgcodec


def check_image(data: bytes, *, max_side: int) -> tuple[int, int]:
    """(height, width) of an encoded image, from its header alone.

    Args:
        data: The encoded image.
        max_side: Longest side allowed, in pixels; what stops decompression bombs.

    Raises:
        ContentError: Anything but one 8-bit RGB picture of at most ``max_side``.
    """
    stream = _inspect(data, max_side)
    return int(stream.height), int(stream.width)


def _inspect(data: bytes, max_side: int) -> Any:
    if not data:
        raise ContentError("the image is empty (0 bytes)")
    try:
        _check_scans(data)
        stream = _nvimgcodec().CodeStream(data)
        _check_stream(stream, max_side)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:  # parsed where something is asked of it
        hint = "png, jpg, tif, webp and bmp are read; check that the file was copied whole"
        raise ContentError(f"the image ({len(data)} bytes) is truncated or no picture", hint=hint) from error
    return stream


def _check_scans(data: bytes) -> None:  # inside a scan 0xff is stuffed: these are markers, previews' too
    if data.startswith(_JPEG_MAGIC) and (scans := data.count(_JPEG_SCAN)) > MAX_SCANS:
        raise ContentError(f"the image is a JPEG of {scans} scans, {MAX_SCANS} are allowed", hint="save it anew")


def _check_stream(stream: Any, max_side: int) -> None:
    height, width = int(stream.height), int(stream.width)
    if max(height, width) > max_side:
        raise too_large(height, width, max_side)
    if reason := _why_not_rgb8(stream):
        may_be_mask = reason in (_GREY, _PALETTE)
        raise ContentError(f"the image is {reason}, not 8-bit RGB", hint=_AS_RGB + (_OR_MASK if may_be_mask else ""))
    if stream.num_images != 1:
        hint = "cut slides and pyramids with `augengine tile`; save other pages as files of their own"
        raise ContentError(f"the image holds {stream.num_images} pages", hint=hint)


def too_large(height: int, width: int, max_side: int) -> ContentError:
    """The error for an image whose side exceeds ``max_side``."""
    hint = "cut it into tiles with `augengine tile`, or raise --max-side"
    return ContentError(f"the image is {width} x {height} px, the longest side allowed is {max_side}", hint=hint)


def _why_not_rgb8(stream: Any) -> str:
    spec, codec = stream.color_spec, _nvimgcodec().ColorSpec
    if spec in (codec.CMYK, codec.YCCK):
        return "CMYK"
    if spec == codec.PALETTE:
        return _PALETTE
    if stream.num_channels in (2, 4):
        return "an image with an alpha channel"
    if stream.num_channels == 1 or spec == codec.GRAY:
        return _GREY
    if np.dtype(stream.dtype) != np.uint8:
        return f"{np.dtype(stream.dtype)}"
    if stream.num_channels != 3 or spec not in (codec.SRGB, codec.SYCC):
        return f"{stream.num_channels} channels in the colour space {spec.name}"
    return ""


class Decoder:
    """Decodes images on CPU threads; a bad one does not touch its neighbours.

    EXIF orientation is not applied, since masks are copied as they are.

    Args:
        threads: CPU threads; at least 1.
        max_side: Longest side allowed, in pixels.
    """

    def __init__(self, *, threads: int, max_side: int) -> None:
        if threads < 1 or max_side < 1:
            raise SpecError(f"threads and max_side must be at least 1, got {threads} and {max_side}")
        codec = _nvimgcodec()
        self._max_side = max_side
        self._params = codec.DecodeParams(apply_exif_orientation=False)
        self._decoder = codec.Decoder(
            device_id=codec.NVIMGCODEC_DEVICE_CPU_ONLY,
            backends=[codec.Backend(codec.BackendKind.CPU_ONLY)],
            max_num_cpu_threads=threads,
        )

    def decode(self, encoded: Sequence[bytes]) -> list[RgbImage | ContentError]:
        """One outcome an image, in order: uint8 (H, W, 3), or why it is bad."""
        outcomes: list[Any] = [self._check(data) for data in encoded]
        good = [i for i, outcome in enumerate(outcomes) if not isinstance(outcome, ContentError)]
        decoded = self._decoder.decode([outcomes[i] for i in good], params=self._params) if good else []
        for i, picture in zip(good, decoded, strict=True):
            damaged = ContentError(f"the image ({len(encoded[i])} bytes) is damaged or truncated: it cannot be decoded")
            outcomes[i] = damaged if picture is None else np.asarray(picture.cpu())
        return outcomes

    def _check(self, data: bytes) -> Any:
        try:
            return _inspect(data, self._max_side)
        except ContentError as error:
            return error


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
        width, height = _open(head, file).size
    except PILLOW_ERRORS:
        return None
    return (height, width) if height > 0 and width > 0 else None


def open_picture(data: bytes) -> ImageFile:
    """An encoded picture, its header read by Pillow.

    Raises:
        OSError: No format that is read; another of `PILLOW_ERRORS` if it is damaged.
    """
    return _open(data[:30], io.BytesIO(data))


@contextmanager
def silenced() -> Iterator[None]:
    """Without Pillow's warnings of damaged tags; python's filters are global, so one thread at a time."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(head: bytes, file: BinaryIO) -> ImageFile:
    for magic, opener in _OPENERS:
        if head.startswith(magic):
            with silenced():
                return opener(file)
    raise OSError("not a png, jpg, tif, bmp or webp file")


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


def read_mask(data: bytes, *, max_side: int) -> Mask:
    """The class ids of a mask, uint8 (H, W): grey levels and palette indices of up to 8 bits as the file states them.

    Raises:
        ContentError: As in `check_mask`, or its pixels cannot be read.
    """
    with _mask_errors():
        picture = _open_mask(data, max_side)
        factor = _STRETCHED.get(_raw_mode(picture), 1)  # how it is packed is forgotten once it is decoded
        return np.asarray(picture).astype(np.uint8) // factor


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
    with file.open("rb") as stream, suppress(*PILLOW_ERRORS):
        head = stream.read(30)
        stream.seek(0)
        compression = _open(head, stream).info.get("compression")
    if compression in _LOSSY_IN_TIFF:
        raise ContentError(f"the mask is coded as {compression} within TIFF, which changes class ids", hint=_LOSSLESS)


def _why_not_class_ids(picture: ImageFile) -> str:
    if picture.mode in ("RGB", "RGBA", "CMYK", "YCbCr", "LAB"):
        return f"a colour picture of mode {picture.mode}"
    if picture.mode not in ("L", "P", "1"):
        return f"of Pillow's mode {picture.mode}"
    raw_mode = _raw_mode(picture)
    # Pillow inverts TIFF's white-is-zero.
    return f"greyscale packed as {raw_mode}" if picture.mode == "L" and raw_mode not in _GREY_MODES else ""


def _raw_mode(picture: ImageFile) -> str:
    """How the pixels are packed in the file, in Pillow's words."""
    raw = picture.tile[0].args if picture.tile else None
    return str(raw[0] if isinstance(raw, tuple) else raw)


def mask_is_canonical(data: bytes) -> bool:
    """Whether a mask is an 8-bit greyscale or palette PNG already, so that it is copied byte for byte."""
    return data.startswith(PNG_MAGIC) and len(data) > 25 and (data[24], data[25]) in _PNG_CLASS_IDS
