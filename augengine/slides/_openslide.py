"""Slides by OpenSlide 4: Aperio, Hamamatsu, MIRAX, Philips, Ventana, Leica, Trestle, Sakura, Zeiss, DICOM."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openslide
from openslide.lowlevel import OpenSlideError

from augengine.errors import ContentError, SourceError
from augengine.pictures.pixels import on_white
from augengine.slides.base import Level, Region, make_levels

GENERIC = "generic-tiff"

MAX_TILE_PX = 1 << 28
"""Pixels of a tile of the file, which is decoded whole; those of scanners have 1 << 16, coarse levels of NDPI one."""


def detect(file: Path) -> str | None:
    """The vendor's name for the format, `GENERIC` for a tiled TIFF, or None if it is no slide."""
    return openslide.OpenSlide.detect_format(str(file))


def library_version() -> str:
    """OpenSlide's own, not its binding's."""
    return f"openslide {openslide.__library_version__}"


class OpenSlideFile:
    """A slide opened by OpenSlide; see `SlideFile`.

    Raises:
        SourceError: It cannot be opened.
        ContentError: Its tiles are too large.
    """

    def __init__(self, file: Path, format_name: str) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._slide = _open(file, format_name)
        # A level's pixels are asked for in level-0 pixels, by the factor that OpenSlide takes them to be apart.
        self._downsamples = self._slide.level_downsamples
        properties = self._slide.properties
        for level in range(self._slide.level_count):
            _check_tile(level, properties)
        self.format = format_name
        self.levels: tuple[Level, ...] = make_levels(list(self._slide.level_dimensions))
        self.mpp = _mpp(properties.get(openslide.PROPERTY_NAME_MPP_X), properties.get(openslide.PROPERTY_NAME_MPP_Y))
        bounds = openslide.PROPERTY_NAME_BOUNDS_X, openslide.PROPERTY_NAME_BOUNDS_Y
        self.others = 0
        self.scanned_from = int(properties.get(bounds[0], 0)), int(properties.get(bounds[1], 0))

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Region:
        """Implement `SlideFile`."""
        slide, by = self._slide, self._downsamples[level]
        left, top = round(x * by), round(y * by)
        part = (left, top), level, (width, height)
        try:
            rgba = slide.read_region(*part)
        except OpenSlideError:
            rgba = self._read_anew(slide, part)
        return Region(on_white(np.asarray(rgba)), left / by, top / by)

    def _read_anew(self, broken: openslide.OpenSlide, part: tuple[tuple[int, int], int, tuple[int, int]]) -> Any:
        """Read a part again by a handle of its own; only what that cannot read is damaged.

        After an error a handle refuses everything, also the sound parts that other threads read.
        """
        own = _open(self._file, self.format)
        try:
            rgba = own.read_region(*part)
        except OpenSlideError as error:
            own.close()
            own = _open(self._file, self.format)
            raise ContentError(f"this part of the slide is damaged: {error}") from error
        finally:
            with self._lock:
                if self._slide is broken:
                    self._slide = own
        return rgba

    def close(self) -> None:
        """Implement `SlideFile`."""
        self._slide.close()


def _open(file: Path, format_name: str) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(str(file))
    except OpenSlideError as error:
        hint = "check that it was copied whole, with the files that belong to it"
        raise SourceError(f"the {format_name} slide {file} cannot be opened: {error}", hint=hint) from error


def _check_tile(level: int, properties: Mapping[str, str]) -> None:
    width, height = (int(properties.get(f"openslide.level[{level}].tile-{side}", 0)) for side in ("width", "height"))
    if width * height > MAX_TILE_PX:
        hint = "save it anew, in tiles of 256 px"
        raise ContentError(f"it is stored in tiles of {width} x {height} px, {MAX_TILE_PX} are allowed", hint=hint)


def _mpp(x: str | None, y: str | None) -> tuple[float, float] | None:
    try:
        found = float(x or ""), float(y or "")
    except ValueError:
        return None
    return found if min(found) > 0 else None
