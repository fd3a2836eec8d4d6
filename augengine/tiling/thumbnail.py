"""A slide seen from afar: for finding tissue, and for showing which tiles were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from augengine.errors import ContentError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import tissue_mask
from augengine.slides import Scale, Slide
from augengine.tiling.places import Place, Tissue

COARSEST_MPP = 8.0
"""um/px that tissue is looked for at: a tubule is about 6 px wide."""

PIXELS_A_TILE, MIN_PIXELS_A_TILE = 8, 4
"""How wide a tile is in a thumbnail, so that its share of tissue means something; at least, on the largest slides."""

MIN_SIDE_PX, MAX_SIDE_PX = 1000, 4096
"""The longest side, px, is between these where the slide allows it: to be seen, and to bound the memory."""

_SMOOTHING_UM = 8.0

_READ, _BLOCKS = 512, 8  # px of a level that are read at a time, and blocks a side: what is damaged is lost in those
_SHOWN = 1600
_DARK = 50
_COLOURS = ((230, 57, 70), (29, 120, 200), (242, 150, 30), (120, 80, 180), (20, 150, 110))


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

    def tissue(self, threshold: float) -> Tissue:
        """Where there is tissue; everywhere if the ground is dark.

        What is damaged counts as tissue: its tiles are then named as what could not be read, instead of missing.
        """
        if self.is_dark:
            return Tissue(np.ones(self.rgb_hwc.shape[:2], dtype=np.bool_), self.downsample)
        found = tissue_mask(self.rgb_hwc, threshold=threshold, smoothing=self.smoothing)
        return Tissue(found | self.damaged, self.downsample)


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


def draw_places(thumbnail: Thumbnail, places: Sequence[Place], side: float) -> RgbImage:
    """The thumbnail with the tiles that were chosen, a colour a kind, and a line that counts them.

    Args:
        thumbnail: The slide's thumbnail.
        places: The tiles.
        side: Side of a tile in level-0 pixels.
    """
    shrink = max(1.0, max(thumbnail.rgb_hwc.shape) / _SHOWN)
    height, width = (max(1, round(extent / shrink)) for extent in thumbnail.rgb_hwc.shape[:2])
    page = Image.fromarray(thumbnail.rgb_hwc).resize((width, height), Image.Resampling.BOX)
    by = thumbnail.downsample * shrink
    pen = ImageDraw.Draw(page)
    colours = _colours(places)
    for place in places:
        box = (place.x / by, place.y / by, (place.x + side) / by, (place.y + side) / by)
        pen.rectangle(box, outline=colours[place.kind], width=2 if side / by > 12 else 1)
    return _with_legend(page, [(f"{sum(p.kind == kind for p in places)} {kind}", rgb) for kind, rgb in colours.items()])


def _colours(places: Sequence[Place]) -> Mapping[str, tuple[int, int, int]]:
    kinds = dict.fromkeys(place.kind for place in places)
    return {kind: _COLOURS[i % len(_COLOURS)] for i, kind in enumerate(kinds)}


def _with_legend(page: Image.Image, entries: Sequence[tuple[str, tuple[int, int, int]]]) -> RgbImage:
    whole = Image.new("RGB", (max(page.width, 240), page.height + 24), (255, 255, 255))
    whole.paste(page, (0, 24))
    pen, x = ImageDraw.Draw(whole), 6
    for text, rgb in entries or [("no tile", (108, 117, 125))]:
        pen.rectangle((x, 8, x + 10, 18), outline=rgb, width=2)
        pen.text((x + 16, 7), text, (33, 37, 41))
        x += 28 + int(pen.textlength(text))
    return np.asarray(whole)
