"""A slide as tiles see it: any place, at any um/px, in 8-bit RGB."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from augengine.errors import ContentError, SourceError, SpecError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.libvips import library_version as libvips
from augengine.pictures.resample import LANCZOS_REACH, whole_scale, window
from augengine.slides._openslide import GENERIC, OpenSlideFile, detect
from augengine.slides._openslide import library_version as openslide
from augengine.slides.base import SlideFile

MAX_ENLARGEMENT = 1.2
"""How much finer than its slide a tile may be: enlarging invents no detail."""

_MAX_PIXELS_AT_ONCE = 4096  # pixels of a level, each way: bounds the memory where tiles are much coarser than the level
_SLACK = 1e-6

_SQUARE = 0.02
"""How far um/px along x and along y may be apart, as a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How tiles of a certain um/px are read from a slide.

    Attributes:
        level: The level that is read.
        factor: Pixels of that level that one of a tile is wide.
        downsample: Level-0 pixels that one of a tile is wide.
        mpp: um/px of a tile, truly: within 1 % of what was asked for.
    """

    level: int
    factor: float
    downsample: float
    mpp: float


class Slide:
    """One slide, open, as a context; read from any thread.

    Args:
        path: The file.
        file: What reads it.
        mpp: um/px of level 0, which goes before what the file says.
        mpp_if_unstated: um/px of level 0 if the file does not say it.

    Attributes:
        width, height: Size of level 0 in pixels.
        mpp: um/px of level 0; None if nobody knows.
        stated_mpp: um/px of level 0, x and y, as the file says it; None if it does not.

    Raises:
        ContentError: Pixels that are not square.
    """

    def __init__(
        self, path: Path, file: SlideFile, *, mpp: float | None = None, mpp_if_unstated: float | None = None
    ) -> None:
        self.path, self._file = path, file
        self.width, self.height = file.levels[0].width, file.levels[0].height
        self.stated_mpp = file.mpp
        self.mpp = mpp if mpp is not None else _square(path, file.mpp) or mpp_if_unstated

    @property
    def format(self) -> str:
        """What kind of file it is."""
        return self._file.format

    @property
    def scanned_from(self) -> tuple[int, int]:
        """Corner of the scanned area, in level-0 pixels; see `SlideFile`."""
        return self._file.scanned_from

    @property
    def others(self) -> int:
        """Pictures of about its size in the same file, which are not read; see `SlideFile`."""
        return self._file.others

    def scale(self, mpp: float) -> Scale:
        """How tiles of ``mpp`` um/px are read: from the coarsest level that is not coarser, then resampled.

        Within 1 % of a level, or of a whole multiple of one, its pixels are taken as they are, or averaged in blocks,
        and the true um/px is stated.

        Raises:
            ContentError: The slide's um/px is unknown, or so coarse that tiles would be enlarged.
        """
        if self.mpp is None:
            raise ContentError(f"{self.path.name} does not state its um/px", hint="say it: --slide-mpp 0.25")
        if self.mpp > MAX_ENLARGEMENT * mpp:
            hint = "ask for a coarser --mpp: enlarging invents no detail"
            raise ContentError(
                f"{self.path.name} has {self.mpp:g} um/px, coarser than the {mpp:g} asked for", hint=hint
            )
        return self.scale_by(mpp / self.mpp)

    def scale_by(self, downsample: float) -> Scale:
        """How pixels ``downsample`` level-0 pixels wide are read."""
        factors = [whole_scale(downsample / level.downsample) for level in self._file.levels]
        level = max(i for i, factor in enumerate(factors) if i == 0 or factor >= 1)
        true = factors[level] * self._file.levels[level].downsample
        return Scale(level=level, factor=factors[level], downsample=true, mpp=(self.mpp or 0.0) * true)

    def read(self, x: float, y: float, scale: Scale, *, height: int, width: int) -> RgbImage:
        """A tile whose upper left corner is at (x, y) in level-0 pixels; white beyond the slide.

        Returns:
            uint8 (height, width, 3). Tiles side by side are parts of one larger tile, to the bit where level pixels
            are taken whole, else to a grey level.

        Raises:
            ContentError: This part of the slide is damaged.
        """
        block = max(1, int(_MAX_PIXELS_AT_ONCE / scale.factor))
        if max(height, width) <= block:
            return self._read(x, y, scale, height=height, width=width)
        whole = np.empty((height, width, 3), dtype=np.uint8)
        for top in range(0, height, block):
            for left in range(0, width, block):
                part = whole[top : top + block, left : left + block]
                corner = x + left * scale.downsample, y + top * scale.downsample
                part[:] = self._read(*corner, scale, height=part.shape[0], width=part.shape[1])
        return whole

    def _read(self, x: float, y: float, scale: Scale, *, height: int, width: int) -> RgbImage:
        by = self._file.levels[scale.level].downsample
        left, top = x / by, y / by
        # Whole pixels need no neighbours; everything else looks as far as its filter reaches.
        exact = _is_whole(scale.factor) and _is_whole(left) and _is_whole(top)
        reach = 0 if exact else math.ceil(LANCZOS_REACH * max(1.0, scale.factor)) + 1
        x_first, y_first = math.floor(left + _SLACK) - reach, math.floor(top + _SLACK) - reach
        x_last = math.ceil(left + width * scale.factor - _SLACK) + reach
        y_last = math.ceil(top + height * scale.factor - _SLACK) + reach
        part = self._file.read(scale.level, x_first, y_first, x_last - x_first, y_last - y_first)
        # What was asked for and what came may be an eighth of a pixel apart: not worth a second interpolation.
        at = (0.0, 0.0) if exact else (left - part.x, top - part.y)
        return window(part.rgb_hwc, x=at[0], y=at[1], scale=scale.factor, height=height, width=width)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_slide(path: Path, *, mpp: float | None = None, mpp_if_unstated: float | None = None) -> Slide:
    """Open a slide.

    Args:
        path: A slide's file; of MIRAX the ``.mrxs``, of DICOM any file of the series.
        mpp: um/px of level 0, which goes before what the file says.
        mpp_if_unstated: um/px of level 0 if the file does not say it.

    Raises:
        SourceError: There is no such file, or it cannot be opened.
        ContentError: It is no 8-bit RGB, or its pixels are not square.
        SpecError: ``mpp`` out of range.
    """
    for value in (mpp, mpp_if_unstated):
        if value is not None and not 0 < value < 100:
            raise SpecError(f"a slide's mpp must be in (0, 100) um/px, got {value}", hint="0.25 is that of a 40x scan")
    if not path.is_file():
        raise SourceError(f"there is no file {path}", hint="name a slide's file")
    if not path.stat().st_size:
        raise SourceError(f"{path} cannot be opened as a slide: it is empty", hint="was it copied whole? Copy it again")
    found = detect(path)
    file = _open_picture(path, found) if found in (None, GENERIC) else OpenSlideFile(path, str(found))
    return Slide(path, file, mpp=mpp, mpp_if_unstated=mpp_if_unstated)


def _open_picture(path: Path, found: str | None) -> SlideFile:
    """A picture of no scanner's format. libvips reads all of them but tiles of one colour each, which OpenSlide can."""
    from augengine.slides._vips import VipsFile  # libvips takes 0.2 s that slides of scanners do not need

    picture = VipsFile(path)
    if not picture.planes_apart:
        return picture
    if found == GENERIC:
        slide = OpenSlideFile(path, GENERIC)
        slide.format, slide.mpp, slide.others = picture.format, picture.mpp, picture.others
        if slide.levels[0] == picture.levels[0]:
            return slide
    hint = "save it anew with its colours together (PlanarConfiguration 1)"
    raise ContentError(f"{path.name} stores its colours in planes apart, which cannot be read here", hint=hint)


def readers_version() -> str:
    """The libraries that decode slides."""
    return f"{openslide()}, {libvips()}"


def _square(path: Path, mpp: tuple[float, float] | None) -> float | None:
    if mpp is None:
        return None
    if abs(mpp[0] / mpp[1] - 1) > _SQUARE:
        hint = "resample it, or if that is wrong: --force-slide-mpp, or a column mpp in the patients' file"
        raise ContentError(f"{path.name} has pixels of {mpp[0]:g} x {mpp[1]:g} um, not square ones", hint=hint)
    return (mpp[0] + mpp[1]) / 2


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) < _SLACK
