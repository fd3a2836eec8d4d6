"""Pictures opened by libvips, read region by region; what is damaged is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def library_version() -> str:
    """libvips' own, not its binding's."""
    import pyvips  # as below

    return "libvips " + ".".join(str(pyvips.version(part)) for part in range(3))


def open_picture(file: Path, **options: int) -> Any:
    """A libvips image of a file; nothing of its pixels is read yet.

    Of a TIFF, a damaged tile is an error once: libvips then keeps it as a black one, for everybody who has this image.
    Open the file anew after an error; give each thread an image of its own. JPEG and PNG are decoded whole: threads
    should share one.

    Args:
        file: The file.
        options: Of libvips' loader: ``page``, ``subifd``.

    Raises:
        pyvips.Error: It cannot be opened. Reading a damaged part raises the same.
        OSError: It cannot be read.
    """
    import pyvips  # 0.2 s that slides of scanners and outlines do not need

    with file.open("rb") as stream:
        is_tiff = stream.read(4) in _TIFF_MAGIC
    # libvips 8.18 reads damaged tiles of a TIFF as black, silently, under every fail_on but warning. Without revalidate
    # it may answer from its cache, though the file was written anew.
    return pyvips.Image.new_from_file(
        str(file), access="random", fail_on="warning" if is_tiff else "error", revalidate=True, **options
    )
