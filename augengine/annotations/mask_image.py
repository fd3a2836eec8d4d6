"""A picture whose pixels are class ids, as labels; owner of pyvips, which reads a large one region by region."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.annotations.base import Box, Ring, check_tile, class_key, count_by_class
from augengine.annotations.files import read_bytes
from augengine.annotations.geometry import rectangle
from augengine.annotations.raster import Floats, centres
from augengine.annotations.runs import Part, parts
from augengine.annotations.scale import scale_to_slide
from augengine.errors import ContentError
from augengine.pictures.arrays import Mask
from augengine.pictures.libvips import open_picture
from augengine.pictures.masks import check_lossless_tiff, read_mask
from augengine.storage import open_plain

_MAGICS = (b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\xff\xd8\xff")
_JPEG = _MAGICS[-1]
_BIG_TIFF = (b"II+\0", b"MM\0+")

IN_MEMORY_PX = 1 << 26
"""Masks up to 8192 x 8192 px are held in memory, larger ones read where a tile needs them."""

_STRIP_PX = 1 << 24
_MAX_COLOURS = 32
_LUMA = np.array([19595, 38470, 7471], np.uint32)  # ITU-R 601-2 in 1/65536, as Pillow's convert("L") has it
_AS_CLASS_IDS = "save it as 8-bit greyscale whose values are class ids; a large one as a tiled, pyramidal TIFF"

# libvips logs what it then raises.
logging.getLogger("pyvips").addHandler(logging.NullHandler())

Read = Callable[[int, int, int, int], Mask]
"""Left, top, width, height of a region that lies inside the mask, in its pixels -> uint8 (height, width)."""


def is_mask_image(file: Path) -> bool:
    """Whether a file is a picture, by its first bytes; not whether it is a good mask."""
    try:
        return _head(file).startswith(_MAGICS)
    except OSError:
        return False


def open_mask_image(file: Path, *, slide_width: int, slide_height: int) -> MaskLabels:
    """Labels from a mask that shows the whole slide, at level 0 or another resolution.

    Its classes are its ids as text, such as "1"; 0 is no class. A colour mask counts by its grey levels (pure red is
    76), if each of its few colours has a grey level of its own.

    Raises:
        SourceError: Another shape than the slide's, or unreadable.
        ContentError: Damaged, or no 8-bit class ids.
    """
    image = _open(file)
    scale = scale_to_slide(image.width, image.height, slide_width, slide_height, what=f"the mask {file}")
    if image.width * image.height > IN_MEMORY_PX:
        return MaskLabels(_regions(image, file), image.width, image.height, scale)
    pixels = _load(image, file)
    return MaskLabels(_windows(pixels), image.width, image.height, scale)


def _open(file: Path) -> Any:
    import pyvips  # 0.2 s that outlines do not need

    if _head(file).startswith(_JPEG):
        raise ContentError(f"{file} is a JPEG, which blurs class ids into each other", hint=_AS_CLASS_IDS)
    try:
        check_lossless_tiff(file)
    except ContentError as error:
        raise ContentError(f"{file}: {error.message}", hint=error.hint) from error
    try:
        return open_picture(file)
    except pyvips.Error as error:
        raise _damaged(file, error) from error


def _head(file: Path) -> bytes:
    with open_plain(file) as opened:
        return opened.read(8)


def _damaged(file: Path, error: Exception) -> ContentError:
    said = " ".join(str(error).split())[:200]
    return ContentError(f"the mask {file} is damaged or no picture: {said}", hint="was it copied whole?")


def _load(image: Any, file: Path) -> Mask:
    """All class ids. Pillow comes first, since it alone shows palette indices; it reads no BigTIFF."""
    data = read_bytes(file)
    try:
        return read_mask(data, max_side=max(image.width, image.height))  # it may see another size in the file
    except ContentError as error:
        big = data.startswith(_BIG_TIFF) and _is_class_ids(image)
        if not big and not (image.format == "uchar" and image.bands in (3, 4)):
            raise ContentError(f"{file}: {error.message}", hint=error.hint) from error
    pixels = _fetch(image, file, 0, 0, image.width, image.height)
    return pixels if pixels.ndim == 2 else _grey_levels(pixels[..., :3], file)


def _is_class_ids(image: Any) -> bool:
    bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 8
    return bool(image.format == "uchar" and image.bands == 1 and bits == 8)


def _fetch(image: Any, file: Path, left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
    import pyvips

    try:
        pixels = np.asarray(image.crop(left, top, width, height).numpy(), np.uint8)
    except pyvips.Error as error:
        raise _damaged(file, error) from error
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def _grey_levels(rgb_hwc: NDArray[np.uint8], file: Path) -> Mask:
    """A colour mask as the grey levels that its colours have."""
    packed = rgb_hwc.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, which = np.unique(packed, return_inverse=True)
    if len(colours) > _MAX_COLOURS:
        raise ContentError(f"{file} has {len(colours)} colours: it is a picture, not a mask", hint=_AS_CLASS_IDS)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=-1)
    levels = ((rgb @ _LUMA + 0x8000) >> 16).astype(np.uint8)
    if len(np.unique(levels)) < len(levels):
        raise ContentError(f"{file} is a colour mask with two colours of the same grey level", hint=_AS_CLASS_IDS)
    return levels[which].reshape(packed.shape)


def _windows(pixels: Mask) -> Read:
    return lambda left, top, width, height: pixels[top : top + height, left : left + width]


def _regions(image: Any, file: Path) -> Read:
    if not _is_class_ids(image):
        found = f"{image.bands} bands of {image.format}"
        raise ContentError(f"the mask {file} has {found}, not 8-bit class ids", hint=_AS_CLASS_IDS)
    return lambda left, top, width, height: _fetch(image, file, left, top, width, height)


class MaskLabels:
    """Labels of a slide from a mask image.

    Args:
        read: Gives a region of it.
        width, height: The mask, in its own pixels.
        scale: Level-0 pixels that one of its pixels is wide and high.
    """

    problems: tuple[str, ...] = ()
    skipped: tuple[Ring, ...] = ()

    def __init__(self, read: Read, width: int, height: int, scale: tuple[float, float]) -> None:
        self._read, self._width, self._height, self._scale = read, width, height, scale

    @cached_property
    def classes(self) -> frozenset[str]:
        """The class ids other than 0 in the mask, as strings; the first use scans the whole mask."""
        return frozenset(str(part.value) for part in self._parts)

    @cached_property
    def _parts(self) -> list[Part]:
        return parts(self._strips())

    def _strips(self) -> Iterator[Mask]:
        rows = max(1, _STRIP_PX // self._width)
        for top in range(0, self._height, rows):
            yield self._read(0, top, self._width, min(rows, self._height - top))

    def objects(self, name: str) -> tuple[Box, ...]:
        """A box for each object of a class: connected pixels are one object.

        The first use scans the whole mask.
        """
        return tuple(self._box(part) for part in self._parts if part.value == _id_of(name))

    def counts(self, asked: Iterable[str]) -> dict[str, int]:
        """How many objects each class has, as in `Labels.counts`; the first use scans the whole mask."""
        return count_by_class(([str(part.value)] for part in self._parts), asked)

    def outlines(self, name: str) -> tuple[Ring, ...]:
        """The boxes of `objects` as rings."""
        return tuple(_ring(box) for box in self.objects(name))

    def _box(self, part: Part) -> Box:
        x, y = self._scale
        return Box(left=part.left * x, top=part.top * y, right=part.right * x, bottom=part.bottom * y)

    def mask(
        self, x: float, y: float, *, downsample: float, height: int, width: int, classes: Mapping[str, int]
    ) -> Mask:
        """The class ids of a tile, as in `Labels.mask`.

        Each pixel has the id of the mask's pixel in which its centre lies.
        """
        check_tile(x, y, downsample, height, width, classes)
        columns = _indices(centres(x, downsample, width), self._scale[0], self._width)
        rows = _indices(centres(y, downsample, height), self._scale[1], self._height)
        mask = np.zeros((height, width), np.uint8)
        if len(columns.index) and len(rows.index):
            mask[rows.inside, columns.inside] = _table(classes)[self._nearest(rows.index, columns.index)]
        return mask

    def _nearest(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Mask:
        """The ids at the given rows and columns of the mask; reads strips that fit in memory."""
        left, width = int(columns[0]), int(columns[-1] - columns[0]) + 1
        most = max(1, _STRIP_PX // width)
        found = np.empty((len(rows), len(columns)), np.uint8)
        done = 0
        while done < len(rows):
            top = int(rows[done])
            end = int(np.searchsorted(rows, top + most))
            strip = self._read(left, top, width, int(rows[end - 1]) - top + 1)
            found[done:end] = strip[np.ix_(rows[done:end] - top, columns - left)]
            done = end
        return found


def _ring(box: Box) -> Ring:
    corners = rectangle(box.left, box.top, box.right, box.bottom)
    return np.array([*corners, corners[0]], np.float64)


class _Indices:
    """The mask's rows or columns below a tile's pixel centres, and which of the tile's pixels have one."""

    def __init__(self, index: NDArray[np.intp], count: int) -> None:
        first, last = np.searchsorted(index, [0, count])
        self.index, self.inside = index[first:last], slice(int(first), int(last))


def _indices(at: Floats, scale: float, count: int) -> _Indices:
    return _Indices(np.floor(at / scale).astype(np.intp), count)


def _table(classes: Mapping[str, int]) -> NDArray[np.uint8]:
    """The mask's id -> the id that is asked for; 0 for those that are not."""
    table = np.zeros(256, np.uint8)
    for name, value in classes.items():
        if (own := _id_of(name)) is not None:
            table[own] = value
    return table


def _id_of(name: str) -> int | None:
    """The mask's id that a class name stands for; None if it stands for none."""
    key = class_key(name)
    return int(key) if key in _IDS else None


_IDS = frozenset(map(str, range(1, 256)))
