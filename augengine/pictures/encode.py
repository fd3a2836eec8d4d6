"""Pixels to bytes by one pinned library, OpenCV: the bytes depend on the pixels and its version alone."""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from augengine.errors import ContentError, SpecError
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.images import Decoder
from augengine.spec import MAX_SIDE, ImageFormat

# Spelled out rather than left to OpenCV's defaults, which changed between its versions. PNG: 160/s at 512 px; the
# better filters save 6 % and halve the speed, since the noise of histology leaves nothing for deflate to find.
_ENCODERS: dict[ImageFormat, tuple[str, list[int]]] = {
    "png": (
        ".png",
        [
            cv2.IMWRITE_PNG_COMPRESSION, 1,
            cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
            cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB,
        ],
    ),
    "jpg": (
        ".jpg",
        [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    ),
    "webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),  # above 100 means lossless
}  # fmt: skip
_LOSSY: ImageFormat = "jpg"
_MASK_PARAMETERS = [cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]


def encode_image(rgb_hwc: RgbImage, fmt: ImageFormat) -> bytes:
    """Encode uint8 (H, W, 3): png and webp lossless, jpg at quality 95 without chroma subsampling.

    The same pixels give the same bytes. The GIL is released while it works.

    Raises:
        ContentError: The format cannot hold an image of this size.
    """
    extension, parameters = _ENCODERS[fmt]
    return _imencode(extension, cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2BGR), parameters)


def jpeg_round_trip(rgb_hwc: RgbImage, quality: int) -> RgbImage:
    """What is left of uint8 (H, W, 3) after a JPEG of this quality, 1 ... 100, with chroma subsampled as JPEGs are."""
    encoded = encode_jpeg(rgb_hwc, quality)
    return np.asarray(cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), cv2.IMREAD_COLOR_RGB), dtype=np.uint8)


def encode_jpeg(rgb_hwc: RgbImage, quality: int) -> bytes:
    """A JPEG of uint8 (H, W, 3) at this quality, 1 ... 100, with chroma subsampled: small, for the eye alone."""
    return _imencode(".jpg", cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_mask(mask: Mask) -> bytes:
    """Encode class ids, uint8 (H, W), as an 8-bit greyscale PNG."""
    return _imencode(".png", mask, _MASK_PARAMETERS)


def _imencode(extension: str, pixels: NDArray[Any], parameters: list[int]) -> bytes:
    if pixels.dtype != np.uint8:  # OpenCV would write 16-bit files, or cut floats to integers
        raise SpecError(f"8-bit pixels are encoded, got {pixels.dtype}")
    try:
        done, data = cv2.imencode(extension, pixels, parameters)
    except cv2.error as error:
        raise SpecError(f"cannot encode an array of shape {pixels.shape} as {extension}: {error.err}") from error
    if not done:  # some codecs refuse without an exception, and leave no bytes
        size = f"{pixels.shape[1]} x {pixels.shape[0]} px"
        raise ContentError(f"an image of {size} cannot be encoded as {extension}", hint="png takes any size")
    return bytes(data)


@cache
def encoder_version() -> str:
    """The encoder and its codecs: what the bytes of an encoded image depend on besides its pixels."""
    found = re.findall(r"^ +(ZLib|JPEG|WEBP|PNG): .*\(ver (.*)\)", cv2.getBuildInformation(), re.MULTILINE)
    return "; ".join((f"opencv {cv2.__version__}", *(f"{name.lower()} {version}" for name, version in found)))


def encode_pixels(pixels: NDArray[np.uint8], image_format: ImageFormat) -> tuple[bytes, NDArray[np.uint8]]:
    """An image encoded, and the pixels that a reader of it sees: others where the format loses some."""
    data = encode_image(pixels, image_format)
    return data, decode_own(data) if image_format == _LOSSY else pixels


# One decoder a thread: making one costs more than decoding with it.
_thread = threading.local()


def decode_own(data: bytes) -> NDArray[np.uint8]:
    """An image whose size was checked before, uint8 (H, W, 3).

    Raises:
        ContentError: It is damaged.
    """
    if not hasattr(_thread, "decoder"):
        _thread.decoder = Decoder(threads=1, max_side=MAX_SIDE)
    decoder: Decoder = _thread.decoder
    (pixels,) = decoder.decode([data])
    if isinstance(pixels, ContentError):
        raise pixels
    return pixels
