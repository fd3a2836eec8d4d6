"""What a picture asks its readers to do beyond its pixels, which some readers obey and others do not."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from PIL import Image

from augengine.errors import ContentError
from augengine.pictures.headers import PILLOW_ERRORS, PNG_MAGIC, open_picture, silenced

UPRIGHT = 1
"""EXIF's orientation of a picture that is shown as it is stored; 2 to 8 ask for a turn or a flip."""

_ORIENTATION = 0x0112
_IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_STRIP = "save it without EXIF, for example: webpmux -strip exif IN.webp -o OUT.webp"
_TURN = "turn image and mask alike and drop the tag: `exiftran -ai`, or ImageOps.exif_transpose of Pillow"
_OPAQUE = "save it without transparency, for example with Pillow: Image.open(f).convert('RGBA').convert('RGB').save(f)"


def check_image_metadata(data: bytes) -> None:
    """Refuse an image of which readers see different pixels, or none; its size may be unchecked.

    Profiles and gamma (ICC, gAMA, cHRM, sRGB) are no reason: no reader that trainings use applies them unasked.

    Args:
        data: An encoded image, perhaps damaged, which is said elsewhere.

    Raises:
        ContentError: Its orientation is not 1, it is a PNG in which one colour is transparent, or a lossless WebP with
            EXIF, which nvImageCodec 0.9 cannot parse.
    """
    check_upright(data, what="image")
    if data.startswith(PNG_MAGIC) and any(kind == b"tRNS" for kind, _ in _png_chunks(data)):
        raise ContentError("the image has a transparent colour (tRNS), so some readers see four channels", hint=_OPAQUE)
    if {b"VP8L", b"EXIF"} <= _webp_chunks(data).keys():
        raise ContentError("the image is a lossless WebP with EXIF, which cannot be decoded", hint=_STRIP)


def check_upright(data: bytes, *, what: str) -> None:
    """Refuse a picture that asks to be turned.

    OpenCV, DALI and Hugging Face's datasets turn it by default, Pillow turns TIFFs alone. So an image and its mask
    would fit for some readers only.

    Args:
        data: An encoded picture.
        what: What it is, for the message: ``image`` or ``mask``.

    Raises:
        ContentError: Its EXIF or XMP orientation is not 1.
    """
    if (found := orientation_of(data)) != UPRIGHT:
        raise ContentError(f"the {what} has the EXIF orientation {found}, which some readers obey", hint=_TURN)


def orientation_of(data: bytes) -> int:
    """The orientation that the EXIF or XMP of a JPEG, PNG, WebP or TIFF states, 1 to 8; 1 where none can be read."""
    try:
        with silenced():
            found = _webp_orientation(data) if data.startswith(b"RIFF") else _exif(data).get(_ORIENTATION)
    except PILLOW_ERRORS:
        return UPRIGHT
    return found if isinstance(found, int) and UPRIGHT <= found <= 8 else UPRIGHT


def _exif(data: bytes) -> Image.Exif:
    picture = open_picture(_metadata_first(data) if data.startswith(PNG_MAGIC) else data)
    # The method of the base class: the one for PNGs would decode the pixels first.
    return Image.Image.getexif(picture)


def _webp_orientation(data: bytes) -> int | None:
    """By the chunks of a WebP: Pillow would set up the whole picture."""
    chunks, exif = _webp_chunks(data), Image.Exif()
    exif.load(chunks.get(b"EXIF", b""))
    in_xmp = _IN_XMP.search(chunks.get(b"XMP ", b""))
    found: int | None = exif.get(_ORIENTATION, int(in_xmp[1]) if in_xmp else None)
    return found


def _metadata_first(data: bytes) -> bytes:
    """A PNG without its pixels. EXIF and text may follow them, and Pillow's header ends where they begin."""
    return PNG_MAGIC + b"".join(chunk for kind, chunk in _png_chunks(data) if kind not in (b"IDAT", b"fdAT"))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and all bytes of each chunk of a PNG."""
    view, start = memoryview(data), len(PNG_MAGIC)
    while start + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, start)
        yield data[start + 4 : start + 8], view[start : start + 12 + size]
        start += 12 + size


def _webp_chunks(data: bytes) -> dict[bytes, bytes]:
    """Kind -> content of the chunks of a WebP, the first of each kind; empty for other pictures."""
    found: dict[bytes, bytes] = {}
    start = 12 if data.startswith(b"RIFF") and data[8:12] == b"WEBP" else len(data)
    while start + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, start)
        found.setdefault(kind, data[start + 8 : start + 8 + size])
        start += 8 + size + size % 2
    return found
