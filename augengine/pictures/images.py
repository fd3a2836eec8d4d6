"""Bytes to pixels by nvimgcodec: images are decoded, and a bad one leaves its neighbours alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from augengine.errors import ContentError, SpecError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.headers import check_scans, too_large

GREY, PALETTE = "greyscale", "a palette image"
_AS_RGB = "save it as 8-bit RGB, for example with Pillow: Image.open(f).convert('RGB').save(f)"
_OR_MASK = "; if it is a mask, give it a mask's name, such as NAME_mask.png beside NAME.png"


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
        check_scans(data)
        stream = _nvimgcodec().CodeStream(data)
        _check_stream(stream, max_side)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:  # parsed where something is asked of it
        hint = "png, jpg, tif, webp and bmp are read; check that the file was copied whole"
        raise ContentError(f"the image ({len(data)} bytes) is truncated or no picture", hint=hint) from error
    return stream


def _check_stream(stream: Any, max_side: int) -> None:
    height, width = int(stream.height), int(stream.width)
    if max(height, width) > max_side:
        raise too_large(height, width, max_side)
    if reason := _why_not_rgb8(stream):
        may_be_mask = reason in (GREY, PALETTE)
        raise ContentError(f"the image is {reason}, not 8-bit RGB", hint=_AS_RGB + (_OR_MASK if may_be_mask else ""))
    if stream.num_images != 1:
        hint = "cut slides and pyramids with `augengine tile`; save other pages as files of their own"
        raise ContentError(f"the image holds {stream.num_images} pages", hint=hint)


def _why_not_rgb8(stream: Any) -> str:
    spec, codec = stream.color_spec, _nvimgcodec().ColorSpec
    if spec in (codec.CMYK, codec.YCCK):
        return "CMYK"
    if spec == codec.PALETTE:
        return PALETTE
    if stream.num_channels in (2, 4):
        return "an image with an alpha channel"
    if stream.num_channels == 1 or spec == codec.GRAY:
        return GREY
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
