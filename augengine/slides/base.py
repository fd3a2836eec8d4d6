"""The seam: what a slide's file gives, whatever reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from augengine.pictures.arrays import RgbImage


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a slide.

    Attributes:
        width, height: In its own pixels.
        downsample: Level-0 pixels that one of its pixels is wide; 1 for level 0.
    """

    width: int
    height: int
    downsample: float


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of a level, and where exactly they lie.

    Attributes:
        rgb_hwc: uint8 (H, W, 3); white where the slide has nothing.
        x, y: Position of its upper left corner in pixels of the level. It may be off from what was asked for, by half
            a level-0 pixel: OpenSlide takes positions in whole ones.
    """

    rgb_hwc: RgbImage
    x: float
    y: float


class SlideFile(Protocol):
    """Reads regions of one slide; from any thread. It chooses no level and resamples nothing.

    Attributes:
        format: What kind of file it is, as ``aperio``, ``ome-tiff`` or ``tiff``.
        levels: From the finest; downsamples ascend.
        mpp: um/px of level 0, x and y, as the file states them; None if it does not.
        scanned_from: Corner (x, y) of the scanned area in level-0 pixels, where it is not all of the slide (MIRAX).
        others: Pictures of about its size in the same file, which are not read: other scenes, or planes of focus.
    """

    format: str
    levels: tuple[Level, ...]
    mpp: tuple[float, float] | None
    scanned_from: tuple[int, int]
    others: int

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Region:
        """A rectangle in pixels of a level; it may reach beyond the slide.

        Raises:
            ContentError: This part of the file is damaged; others may be whole.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def make_levels(sizes: list[tuple[int, int]]) -> tuple[Level, ...]:
    """Levels of these (width, height), from the finest, with the downsamples they were made with.

    A level of 188 px under one of 750 is a quarter, rounded up, and not 3.99: whole factors are taken where rounding
    explains what is missing.
    """
    (width, height), *_ = sizes
    return tuple(Level(w, h, _downsample(width, height, w, h)) for w, h in sizes)


def _downsample(width: int, height: int, w: int, h: int) -> float:
    measured = (width / w + height / h) / 2
    whole = round(measured)
    return float(whole) if abs(whole * w - width) <= whole and abs(whole * h - height) <= whole else measured
