"""Plain pictures by libvips: TIFF, tiled or in strips, pyramids of pages or of sub-images, OME-TIFF, JPEG, PNG."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from augengine.errors import ContentError, SourceError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.libvips import open_picture
from augengine.slides.base import Level, Region, make_levels
from augengine.slides.stated_mpp import description_of, stated_mpp

MAX_PAGES = 256
"""Pages of a TIFF. libvips walks through all pages before one to open it: 1000 take 11 s, and slides have a dozen."""

_MAX_PROBED_PX = 1 << 24  # of a tile that is decoded to learn how it is stored; those of scanners have 1 << 16

_POWERS_OF_TWO = frozenset(float(1 << n) for n in range(1, 20))

_Opener = Callable[[], Any]


class VipsFile:
    """A picture opened by libvips, of a TIFF its largest page; see `SlideFile`.

    Attributes:
        planes_apart: Whether its tiles hold one colour each. libvips reads its header, and none of them.

    Raises:
        SourceError: It cannot be opened, or has more than `MAX_PAGES` pages.
        ContentError: It is no 8-bit RGB picture, or stored turned.
    """

    def __init__(self, file: Path) -> None:
        pages = _pages(file)
        page = _largest(pages)
        base, description = pages[page], description_of(pages[0])
        _check_rgb8(file, base, pages)
        _check_upright(file, base)
        self._openers, sizes = _pyramid(file, pages, page)
        self._thread = threading.local()
        self.format = "ome-tiff" if "<OME" in description else str(base.get("vips-loader")).removesuffix("load")
        self.levels: tuple[Level, ...] = make_levels(sizes)
        self.mpp = stated_mpp(base, page=page, description=description)
        self.planes_apart = _has_planes_apart(base)
        self.scanned_from = 0, 0
        self.others = sum(_is_scene(each, base) for each in pages) - 1

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Region:
        """Implement `SlideFile`."""
        own = self.levels[level]
        left, top = max(0, x), max(0, y)
        right, bottom = min(own.width, x + width), min(own.height, y + height)
        if (left, top, right, bottom) == (x, y, x + width, y + height):
            return Region(self._fetch(level, x, y, width, height), x, y)
        whole = np.full((height, width, 3), 255, dtype=np.uint8)
        if right > left and bottom > top:
            part = self._fetch(level, left, top, right - left, bottom - top)
            whole[top - y : bottom - y, left - x : right - x] = part
        return Region(whole, x, y)

    def _fetch(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        try:
            data = self._region(level).fetch(x, y, width, height)
        except pyvips.Error as error:
            # It remembers a damaged tile as a black one, and says so once: the next read has to open it anew.
            self._regions().pop(level, None)
            raise ContentError(f"this part of the picture is damaged: {_first_line(error)}") from error
        return np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3)

    def _region(self, level: int) -> Any:
        """libvips lets a region be used by one thread at a time."""
        regions = self._regions()
        if level not in regions:
            regions[level] = pyvips.Region.new(_as_rgb(self._openers[level]()))
        return regions[level]

    def _regions(self) -> dict[int, Any]:
        regions: dict[int, Any] = self._thread.__dict__.setdefault("regions", {})
        return regions

    def close(self) -> None:
        """Implement `SlideFile`."""
        self._thread = threading.local()


def _load(file: Path, **options: int) -> Any:
    try:
        return open_picture(file, **options)
    except (pyvips.Error, OSError) as error:
        hint = "slides, pyramidal TIFF, OME-TIFF, TIFF, JPEG and PNG are read; check that it was copied whole"
        raise SourceError(f"{file} cannot be opened as a slide: {_first_line(error)}", hint=hint) from error


def _pages(file: Path) -> list[Any]:
    """The header of each page of a TIFF; of another picture, its only one."""
    first = _load(file)
    count = int(first.get("n-pages")) if _is_tiff(first) and first.get_typeof("n-pages") else 1
    if count > MAX_PAGES:
        hint = "save the pages of the slide alone"
        raise SourceError(f"{file} holds {count} pages, {MAX_PAGES} are allowed", hint=hint)
    return [first, *(_load(file, page=page) for page in range(1, count))]


def _is_tiff(image: Any) -> bool:
    return str(image.get("vips-loader")).startswith("tiff")


def _largest(pages: list[Any]) -> int:
    """The number of the page that is the slide: labels, macros and thumbnails are smaller, wherever they stand."""
    return max(range(len(pages)), key=lambda page: (pages[page].width * pages[page].height, _is_rgb8(pages[page])))


def _is_scene(page: Any, base: Any) -> bool:
    """Whether a page is a picture in colour of at least half the slide's area; levels, labels, macros are less."""
    return _is_rgb8(page) and 2 * page.width * page.height >= base.width * base.height


def _pyramid(file: Path, pages: list[Any], page: int) -> tuple[list[_Opener], list[tuple[int, int]]]:
    """One opener and one size a level: the slide's page, then its sub-images or later pages that are smaller copies."""
    base = pages[page]
    if not _is_tiff(base):
        return [lambda: base], [(int(base.width), int(base.height))]
    sub_images = int(base.get("n-subifds")) if base.get_typeof("n-subifds") else 0
    parts = [{"page": page, "subifd": i} for i in range(sub_images)]
    others = [(part, _load(file, **part)) for part in parts]
    others = others or [({"page": later}, pages[later]) for later in range(page + 1, len(pages))]
    levels = [({"page": page}, base)]
    for part, image in others:
        if _is_coarser(image, levels[-1][1], base):
            levels.append((part, image))
    openers = [functools.partial(_load, file, **part) for part, _ in levels]
    return list(openers), [(int(image.width), int(image.height)) for _, image in levels]


def _is_coarser(image: Any, last: Any, base: Any) -> bool:
    """Whether it is ``base`` by a power of two coarser, and coarser than ``last``: labels and thumbnails are not."""
    if image.width >= last.width or image.bands != base.bands or image.format != base.format:
        return False
    _, level = make_levels([(base.width, base.height), (image.width, image.height)])
    return level.downsample in _POWERS_OF_TWO


def _is_rgb8(image: Any) -> bool:
    return image.format == "uchar" and image.bands in (3, 4)


def _check_rgb8(file: Path, image: Any, pages: list[Any]) -> None:
    if not _is_rgb8(image):
        kind = f"{image.bands} channel{'s' if image.bands > 1 else ''} of {image.format}"
        alike = sum((each.width, each.height, each.bands) == (image.width, image.height, 1) for each in pages)
        kind = f"{alike} pages of {kind}" if alike > 1 else kind
        hint = "brightfield slides in 8-bit RGB are tiled; export fluorescence or greyscale as RGB if it is meant"
        if alike == len("RGB") and image.format == "uchar":
            hint = "if the pages are red, green and blue, save them as one RGB page"
        raise ContentError(f"{file.name} has {kind}, not 8-bit RGB", hint=hint)
    if image.interpretation not in ("srgb", "rgb"):
        raise ContentError(f"{file.name} has the colours of {image.interpretation}, not RGB", hint="save it as RGB")


def _check_upright(file: Path, image: Any) -> None:
    """Refuse what viewers turn: what is drawn on the turned picture would lie elsewhere."""
    turned = int(image.get("orientation")) if image.get_typeof("orientation") else 1
    if turned > 1:
        hint = "save it upright, without that entry, and annotate that picture"
        raise ContentError(f"{file.name} is stored turned or mirrored (EXIF orientation {turned})", hint=hint)


def _has_planes_apart(image: Any) -> bool:
    """Whether its tiles hold one colour each, which libvips finds out when it reads one."""
    if not image.get_typeof("tile-width") or image.get("tile-width") * image.get("tile-height") > _MAX_PROBED_PX:
        return False
    try:
        pyvips.Region.new(image).fetch(0, 0, 1, 1)
    except pyvips.Error as error:
        return "separate planes" in str(error)
    return False


def _as_rgb(image: Any) -> Any:
    return image.flatten(background=255) if image.hasalpha() else image


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
