"""A slide seen from afar: for finding tissue, and for the picture of what was chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.errors import ContentError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import black_fill, slide_tissue_mask
from augengine.slides import Scale, Slide

COARSEST_MPP = 8.0
"""um/px that tissue is looked for at: a tubule is about 6 px wide."""

PIXELS_A_TILE, MIN_PIXELS_A_TILE = 8, 4
"""How wide a tile is in a thumbnail, so that its share of tissue means something; at least, on the largest slides."""

MIN_SIDE_PX, MAX_SIDE_PX = 1000, 4096
"""The longest side, px, is between these where the slide allows it: to be seen, and to bound the memory."""

_SMOOTHING_UM = 8.0

_READ, _BLOCKS = 512, 8  # px of a level that are read at a time, and blocks a side: what is damaged is lost in those
_DARK = 50


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A slide seen from afar.

    Attributes:
        rgb_hwc: uint8 (h, w, 3).
        downsample: Level-0 pixels that one of its pixels is wide.
        smoothing: Deviation of the Gaussian before tissue is looked for, in its pixels.
        damaged: bool (h, w): what could not be read, white in the picture.
    """

    rgb_hwc: RgbImage
    downsample: float
    smoothing: float
    damaged: NDArray[np.bool_]

    @property
    def is_dark(self) -> bool:
        """Whether the ground is dark, as under fluorescence, where light is what is seen."""
        return float(np.median(self.rgb_hwc)) < _DARK

    def tissue(self, threshold: float) -> NDArray[np.bool_]:
        """Where there is tissue, bool (h, w); everywhere if the ground is dark.

        What is damaged counts as tissue: its tiles are then named as what could not be read, instead of missing.
        """
        if self.is_dark:
            return np.ones(self.rgb_hwc.shape[:2], dtype=np.bool_)
        found = slide_tissue_mask(self.rgb_hwc, threshold=threshold, smoothing=self.smoothing)
        return found | self.damaged

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Where the slide was filled up with black, bool (h, w); nowhere if the ground is dark."""
        return black_fill(self.rgb_hwc) & (not self.is_dark)


def read_thumbnail(slide: Slide, side: float) -> Thumbnail:
    """Read a slide from its coarsest fitting level, block by block.

    Args:
        slide: An open slide whose um/px are known.
        side: Side of a tile in level-0 pixels.

    Raises:
        ContentError: Nothing of the slide can be read.
    """
    longest = max(slide.width, slide.height)
    wanted = min(COARSEST_MPP / (slide.mpp or 1.0), side / PIXELS_A_TILE, longest / MIN_SIDE_PX)
    scale = slide.scale_by(max(1.0, wanted, min(longest / MAX_SIDE_PX, side / MIN_PIXELS_A_TILE)))
    height, width = (max(1, int(extent / scale.downsample)) for extent in (slide.height, slide.width))
    if max(height, width) > 2 * MAX_SIDE_PX:
        hint = "larger tiles: --size, or a coarser --mpp"
        raise ContentError(f"tiles {side:g} level-0 pixels wide are too small for {longest} of them", hint=hint)
    found = np.full((height, width, 3), 255, dtype=np.uint8)
    damaged = np.zeros((height, width), dtype=np.bool_)
    block = max(1, min(int(_READ / scale.factor), -(-max(height, width) // _BLOCKS)))
    for y in range(0, height, block):
        for x in range(0, width, block):
            part = np.s_[y : y + block, x : x + block]
            damaged[part] = not _fill(slide, scale, found[part], y, x)
    if damaged.all():
        raise ContentError("nothing of it can be read", hint="was the slide copied whole?")
    return Thumbnail(found, scale.downsample, max(1.0, _SMOOTHING_UM / scale.mpp), damaged)


def _fill(slide: Slide, scale: Scale, part: RgbImage, y: int, x: int) -> bool:
    """Read a block of the thumbnail; whether it could be."""
    by = scale.downsample
    try:
        part[:] = slide.read(x * by, y * by, scale, height=part.shape[0], width=part.shape[1])
    except ContentError:
        return False
    return True
