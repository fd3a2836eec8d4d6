"""Slides by OpenSlide 4: Aperio, Hamamatsu, MIRAX, Philips, Ventana, Leica, Trestle, Sakura, Zeiss, DICOM."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import openslide
from openslide.lowlevel import OpenSlideError

from augengine.errors import ContentError, SourceError
from augengine.pixels import on_white
from augengine.slides.base import Level, Region, make_levels

GENERIC = "generic-tiff"


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
    """

    def __init__(self, file: Path, format_name: str) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._slide = _open(file, format_name)
        # A level's pixels are asked for in level-0 pixels, by the factor that OpenSlide takes them to be apart.
        self._downsamples = self._slide.level_downsamples
        properties = self._slide.properties
        self.format = format_name
        self.levels: tuple[Level, ...] = make_levels(list(self._slide.level_dimensions))
        self.mpp = _mpp(properties.get(openslide.PROPERTY_NAME_MPP_X), properties.get(openslide.PROPERTY_NAME_MPP_Y))
        bounds = openslide.PROPERTY_NAME_BOUNDS_X, openslide.PROPERTY_NAME_BOUNDS_Y
        self.scanned_from = int(properties.get(bounds[0], 0)), int(properties.get(bounds[1], 0))

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Region:
        """See `SlideFile`."""
        slide, by = self._slide, self._downsamples[level]
        left, top = round(x * by), round(y * by)
        part = (left, top), level, (width, height)
        try:
            rgba = slide.read_region(*part)
        except OpenSlideError:
            rgba = self._read_anew(slide, part)
        return Region(on_white(np.asarray(rgba)), left / by, top / by)

    def _read_anew(self, broken: openslide.OpenSlide, part: tuple[tuple[int, int], int, tuple[int, int]]) -> Any:
        """After an error a handle refuses everything, what other threads read of sound parts too.

        So this part is read by a handle that nobody else has, and only what that cannot read is damaged.
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
        """See `SlideFile`."""
        self._slide.close()


def _open(file: Path, format_name: str) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(str(file))
    except OpenSlideError as error:
        hint = "check that it was copied whole, with the files that belong to it"
        raise SourceError(f"the {format_name} slide {file} cannot be opened: {error}", hint=hint) from error


def _mpp(x: str | None, y: str | None) -> tuple[float, float] | None:
    try:
        found = float(x or ""), float(y or "")
    except ValueError:
        return None
    return found if min(found) > 0 else None
