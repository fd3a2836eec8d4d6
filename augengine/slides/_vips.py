"""Plain pictures by libvips: TIFF, tiled or in strips, pyramids of pages or of sub-images, OME-TIFF, JPEG, PNG."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyvips

from augengine.errors import ContentError, SourceError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.libvips import open_picture
from augengine.slides.base import Level, Region, make_levels

_MICROMETRES = {"nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_COARSEST = 50.0
"""um/px; pictures that only say "72 dots an inch" state 353, which is a screen's."""

_POWERS_OF_TWO = frozenset(float(1 << n) for n in range(1, 20))

_Opener = Callable[[], Any]


class VipsFile:
    """A picture opened by libvips; see `SlideFile`.

    Raises:
        SourceError: It cannot be opened.
        ContentError: It is no 8-bit RGB picture.
    """

    def __init__(self, file: Path) -> None:
        first = _load(file)
        _check_rgb8(file, first)
        self._openers, sizes = _pyramid(file, first)
        self._thread = threading.local()
        comment = str(first.get("image-description")) if first.get_typeof("image-description") else ""
        is_ome = "<OME" in comment
        self.format = "ome-tiff" if is_ome else str(first.get("vips-loader")).removesuffix("load")
        self.levels: tuple[Level, ...] = make_levels(sizes)
        self.mpp = _ome_mpp(comment) if is_ome else _resolution(first)
        self.scanned_from = 0, 0

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


def _pyramid(file: Path, first: Any) -> tuple[list[_Opener], list[tuple[int, int]]]:
    """One opener and one size a level: the first page, then its sub-images or the pages that are smaller copies."""
    is_tiff = str(first.get("vips-loader")).startswith("tiff")
    images: list[tuple[_Opener, Any]] = [((lambda: _load(file)) if is_tiff else (lambda: first), first)]
    sub_images = int(first.get("n-subifds")) if first.get_typeof("n-subifds") else 0
    pages = int(first.get("n-pages")) if first.get_typeof("n-pages") else 1
    options = [{"subifd": i} for i in range(sub_images)] or [{"page": i} for i in range(1, pages)]
    for each in options:
        image = _load(file, **each)
        if _is_coarser(image, images[-1][1], first):
            images.append((lambda each=each: _load(file, **each), image))  # type: ignore[misc]
    return [opener for opener, _ in images], [(int(image.width), int(image.height)) for _, image in images]


def _is_coarser(image: Any, last: Any, first: Any) -> bool:
    """Whether it is ``first`` by a power of two coarser, and coarser than ``last``: labels and thumbnails are not."""
    if image.width >= last.width or image.bands != first.bands or image.format != first.format:
        return False
    _, level = make_levels([(first.width, first.height), (image.width, image.height)])
    return level.downsample in _POWERS_OF_TWO


def _check_rgb8(file: Path, image: Any) -> None:
    if image.format != "uchar" or image.bands not in (3, 4):
        kind = "channel" if image.bands == 1 else "channels"
        hint = "brightfield slides in 8-bit RGB are tiled; export fluorescence or greyscale as RGB if it is meant"
        raise ContentError(f"{file.name} has {image.bands} {kind} of {image.format}, not 8-bit RGB", hint=hint)
    if image.interpretation not in ("srgb", "rgb"):
        raise ContentError(f"{file.name} has the colours of {image.interpretation}, not RGB", hint="save it as RGB")


def _as_rgb(image: Any) -> Any:
    return image.flatten(background=255) if image.hasalpha() else image


def _resolution(image: Any) -> tuple[float, float] | None:
    """um/px by a TIFF's resolution tags, if they are in inches or centimetres; libvips gives pixels a millimetre."""
    unit = str(image.get("resolution-unit")) if image.get_typeof("resolution-unit") else ""
    if unit not in ("in", "cm") or not str(image.get("vips-loader")).startswith("tiff"):
        return None
    if not min(image.xres, image.yres) > 0:
        return None
    mpp = 1000 / float(image.xres), 1000 / float(image.yres)
    return mpp if max(mpp) < _COARSEST else None


def _ome_mpp(xml: str) -> tuple[float, float] | None:
    """um/px of the first image by OME's description; None if it does not say."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        return None
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - without a DOCTYPE there is no entity to expand
        pixels = next(element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels")
        x, y = (_micrometres(pixels, axis) for axis in "XY")
    except (ElementTree.ParseError, StopIteration, KeyError, ValueError):
        return None
    return (x, y) if 0 < min(x, y) < float("inf") else None


def _micrometres(pixels: ElementTree.Element, axis: str) -> float:
    size, unit = pixels.attrib[f"PhysicalSize{axis}"], pixels.get(f"PhysicalSize{axis}Unit", "µm")
    return float(size) * _MICROMETRES[unit]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
