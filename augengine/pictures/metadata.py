"""What a picture asks its readers to do beyond its pixels, which some readers obey and others do not."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from PIL import Image

from augengine.errors import ContentError
from augengine.pictures.images import PILLOW_ERRORS, PNG_MAGIC, open_picture, silenced

UPRIGHT = 1
"""EXIF's orientation of a picture that is shown as it is stored; 2 to 8 ask for a turn or a flip."""

_ORIENTATION = 0x0112
_TURN = "turn image and mask alike and drop the tag: `exiftran -ai`, or ImageOps.exif_transpose of Pillow"
_OPAQUE = "save it without transparency, for example with Pillow: Image.open(f).convert('RGBA').convert('RGB').save(f)"


def check_image_metadata(data: bytes) -> None:
    """Refuse an image of which readers see different pixels.

    Profiles and gamma (ICC, gAMA, cHRM, sRGB) are no reason: no reader that trainings use applies them unasked.

    Args:
        data: An encoded image whose size has been checked.

    Raises:
        ContentError: Its orientation is not 1, or it is a PNG in which one colour is transparent.
    """
    check_upright(data, what="image")
    if data.startswith(PNG_MAGIC) and any(kind == b"tRNS" for kind, _ in _chunks(data)):
        raise ContentError("the image has a transparent colour (tRNS), so some readers see four channels", hint=_OPAQUE)


def check_upright(data: bytes, *, what: str) -> None:
    """Refuse a picture that asks to be turned.

    OpenCV, DALI and Hugging Face's datasets turn it by default, Pillow and torchvision do not. So an image and its
    mask would fit for one half of the readers only.

    Args:
        data: An encoded picture whose size has been checked.
        what: What it is, for the message: ``image`` or ``mask``.

    Raises:
        ContentError: Its EXIF or XMP orientation is not 1.
    """
    if (found := orientation_of(data)) != UPRIGHT:
        raise ContentError(f"the {what} has the EXIF orientation {found}, which some readers obey", hint=_TURN)


def orientation_of(data: bytes) -> int:
    """The orientation that the EXIF or XMP of a JPEG, PNG, WebP or TIFF states, 1 to 8; 1 where none can be read."""
    try:
        picture = open_picture(_metadata_first(data) if data.startswith(PNG_MAGIC) else data)
        # The method of the base class: the one for PNGs would decode the pixels first.
        with silenced():
            found = Image.Image.getexif(picture).get(_ORIENTATION, UPRIGHT)
    except PILLOW_ERRORS:
        return UPRIGHT
    return found if isinstance(found, int) and UPRIGHT <= found <= 8 else UPRIGHT


def _metadata_first(data: bytes) -> bytes:
    """A PNG without its pixels. EXIF and text may follow them, and Pillow's header ends where they begin."""
    return PNG_MAGIC + b"".join(chunk for kind, chunk in _chunks(data) if kind not in (b"IDAT", b"fdAT"))


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and all bytes of each chunk of a PNG."""
    view, start = memoryview(data), len(PNG_MAGIC)
    while start + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, start)
        yield data[start + 4 : start + 8], view[start : start + 12 + size]
        start += 12 + size
