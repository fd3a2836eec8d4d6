"""Pictures opened by libvips, read region by region; what is damaged is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augengine.storage import open_plain

_TIFF, _PNG, _JPEG = "tiffload", "pngload", "jpegload"
_LOADERS = {
    b"II*\0": _TIFF, b"MM\0*": _TIFF, b"II+\0": _TIFF, b"MM\0+": _TIFF, b"\x89PNG": _PNG, b"\xff\xd8\xff": _JPEG,
}  # fmt: skip

MAX_WHOLE_PX = 1 << 30
"""Pixels of a PNG or JPEG: libvips decodes it whole, into a temporary file if it is large."""


def library_version() -> str:
    """libvips' own, not its binding's."""
    import pyvips  # as below

    return "libvips " + ".".join(str(pyvips.version(part)) for part in range(3))


def open_picture(file: Path, **options: int) -> Any:
    """A libvips image of a file; nothing of its pixels is read yet.

    A damaged tile of a TIFF is an error only once: libvips then keeps it as a black one, for everybody who has this
    image. Open the file anew after an error; give each thread an image of its own. JPEG and PNG are decoded whole:
    threads should share one.

    Args:
        file: The file.
        options: Options of libvips' loader: ``page``, ``subifd``.

    Raises:
        pyvips.Error: It cannot be opened, or is neither TIFF, PNG nor JPEG; libvips itself would take SVG and tables
            too. Reading a damaged part raises the same.
        OSError: It cannot be read.
    """
    import pyvips  # 0.2 s that slides of scanners and outlines do not need

    loader = _loader(file)
    if loader is None:
        raise pyvips.Error("it is neither TIFF, PNG nor JPEG")
    # libvips 8.18 reads damaged tiles of a TIFF as black, silently, under every fail_on but warning. Without revalidate
    # it may answer from its cache, though the file was written anew.
    fail_on = "warning" if loader == _TIFF else "error"
    image = getattr(pyvips.Image, loader)(str(file), access="random", fail_on=fail_on, revalidate=True, **options)
    if loader != _TIFF and image.width * image.height > MAX_WHOLE_PX:
        raise pyvips.Error(f"it has {image.width} x {image.height} px; as a tiled TIFF it could be read in parts")
    return image


def _loader(file: Path) -> str | None:
    with open_plain(file) as stream:
        head = stream.read(4)
    return next((loader for magic, loader in _LOADERS.items() if head.startswith(magic)), None)
