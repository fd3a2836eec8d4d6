"""Pictures of what the tool does: labelled pages, contact sheets, and maps of where variants differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from augengine.pictures.arrays import RgbImage
from augengine.pictures.overlays import borders

_GAP = 10
_MARGIN = 24
_TITLE_PX = 26
_LABEL_PX = 17
_PAPER = (255, 255, 255)
_INK = (33, 37, 41)
_FAINT = (108, 117, 125)
_BORDER = (0, 140, 70)
"""Green is the colour that neither haematoxylin nor a chromogen has."""

# Anchors of a dark-to-bright heat scale, evenly spaced.
_HEAT = np.array([[12, 7, 34], [92, 22, 110], [188, 55, 84], [243, 120, 25], [252, 255, 164]], dtype=np.float64)

FULL_SCALE = 20.0
"""Deviation among variants, in grey levels, that is drawn brightest."""


Cell = tuple[str, RgbImage]
"""A picture, uint8 (H, W, 3), and what stands above it."""


def where_to_look(*, masked: bool) -> str:
    """A line for a page of sources and variants; masks are named only where some are drawn."""
    stays = "nuclei, and the borders of the masks (green), stay" if masked else "nuclei stay"
    return f"look at the markers: they come and go; {stays}"


def draw_page(rows: Sequence[Sequence[Cell]], *, title: str, note: str = "", names: Sequence[str] = ()) -> RgbImage:
    """Pictures of one size in rows, on white.

    Args:
        rows: At least one; a row without labels takes no room for them.
        title: One line on top.
        note: One smaller line below it.
        names: One a row, to its left.

    Returns:
        uint8 (height, width, 3).
    """
    height, width = (max(image.shape[axis] for row in rows for _, image in row) for axis in (0, 1))
    left = _MARGIN + max((_font(_LABEL_PX).getlength(name) + 2 * _GAP for name in names), default=0)
    tops, y = [], _MARGIN + _TITLE_PX + 14 + (_LABEL_PX + 8 if note else 0)
    for row in rows:
        tops.append(y + (_LABEL_PX + 4 if any(label for label, _ in row) else 0))
        y = tops[-1] + height + _GAP + 4
    wide = left + max(len(row) for row in rows) * (width + _GAP) - _GAP + _MARGIN
    longest = max(_font(_TITLE_PX).getlength(title), _font(_LABEL_PX - 2).getlength(note)) + 2 * _MARGIN
    page = Image.new("RGB", (int(max(wide, longest)), y + _MARGIN - _GAP), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN - 6), title, _INK, _font(_TITLE_PX))
    draw.text((_MARGIN, _MARGIN + _TITLE_PX + 4), note, _FAINT, _font(_LABEL_PX - 2))
    for r, (row, top) in enumerate(zip(rows, tops, strict=True)):
        if names:
            draw.text((_MARGIN, top + height // 2), names[r], _INK, _font(_LABEL_PX), anchor="lm")
        for c, (label, image) in enumerate(row):
            x = int(left) + c * (width + _GAP)
            draw.text((x, top - _LABEL_PX - 4), _shortened(label, width), _FAINT, _font(_LABEL_PX - 3))
            page.paste(Image.fromarray(image), (x, top))
    return np.asarray(page)


def _font(px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(px)


def _shortened(label: str, width: int) -> str:
    """A label that fits above a picture; of a longer one the end, which tells file names apart."""
    font = _font(_LABEL_PX - 3)
    if font.getlength(label) <= width:
        return label
    return next((end for i in range(len(label)) if font.getlength(end := f"...{label[i:]}") <= width), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One source and what was made of it; every image uint8 (H, W, 3) of one size.

    Attributes:
        key: The source's key.
        source: The source image.
        between: What lies between the source and its variants: A' in 8 bits, for the eye only.
        variants_khwc: uint8 (K, H, W, 3), K >= 1.
        sigmas: The K standard deviations drawn; 0 where there is no noise.
        numbers: The K variants' numbers in the dataset, from 1.
        mask: uint8 (H, W) of class ids, whose borders are drawn; None draws none.
    """

    key: str
    source: RgbImage
    between: RgbImage
    variants_khwc: RgbImage
    sigmas: tuple[float, ...]
    numbers: tuple[int, ...]
    mask: NDArray[np.uint8] | None = None


def contact_sheet(rows: Sequence[Row], *, stain: str, between: str, title: str) -> RgbImage:
    """Draw one row per source: source, what lies between, variants, and, of more than one, a map of where they differ.

    The borders of the mask are drawn into the source and into every variant: the mask serves them all.

    Args:
        rows: At least one.
        stain: Name of the source's stain, for its label.
        between: The label of what lies between.
        title: One line on top.

    Returns:
        uint8 (height, width, 3).
    """
    return draw_page([_cells(row, stain, between) for row in rows], title=title, note=_note(rows))


def flicker_frames(rows: Sequence[Row], *, stain: str, title: str) -> list[RgbImage]:
    """Pages to be shown in turns: all sources side by side, then their first variants, their second, and so on.

    Args:
        rows: At least one; the frames end with the last variant that all of them have.
        stain, title: For the labels.

    Returns:
        uint8 (height, width, 3) each, of one size.
    """
    count = min(len(row.sigmas) for row in rows)
    pages = [[(f"source, {stain}", outlined(row.source, row.mask)) for row in rows]]
    for k in range(count):
        pages.append([_variant(row, k) for row in rows])
    return [draw_page([page], title=title, note=_note(rows)) for page in pages]


def _cells(row: Row, stain: str, between: str) -> list[tuple[str, RgbImage]]:
    variants = [_variant(row, k) for k in range(len(row.sigmas))]
    cells = [
        (f"source, {stain}", outlined(row.source, row.mask)),
        (between, row.between),
        *variants,
    ]
    if len(variants) > 1:
        cells.append((f"where they differ (bright: {FULL_SCALE:.0f} grey levels)", variance_map(row.variants_khwc)))
    return cells


def _note(rows: Sequence[Row]) -> str:
    return where_to_look(masked=any(row.mask is not None for row in rows))


def _variant(row: Row, k: int) -> Cell:
    noise = f", sigma {row.sigmas[k]:.3f}" if row.sigmas[k] else ""
    return f"variant {row.numbers[k]}{noise}", outlined(row.variants_khwc[k], row.mask)


def outlined(image_hwc: RgbImage, mask: NDArray[np.uint8] | None) -> RgbImage:
    """A picture with the borders between the classes of its mask drawn in.

    Args:
        image_hwc: uint8 (H, W, 3).
        mask: uint8 (H, W) of class ids; None returns the picture as it is.
    """
    if mask is None:
        return image_hwc
    drawn = image_hwc.copy()
    drawn[borders(mask) > 0] = _BORDER
    return drawn


def variance_map(variants_khwc: RgbImage) -> RgbImage:
    """Where K variants differ: their deviation a pixel, averaged over the channels, on a heat scale.

    Args:
        variants_khwc: uint8 (K, H, W, 3).

    Returns:
        uint8 (H, W, 3): dark where all agree, brightest at a deviation of `FULL_SCALE` grey levels or more.
    """
    return heat_map(variants_khwc.astype(np.float64).std(axis=0).mean(axis=2), FULL_SCALE)


def heat_map(values_hw: NDArray[np.float64], full_scale: float) -> RgbImage:
    """Values on a heat scale, uint8 (H, W, 3): dark at 0, brightest at ``full_scale`` or more."""
    position = np.clip(values_hw / full_scale, 0, 1) * (len(_HEAT) - 1)
    steps = np.arange(len(_HEAT))
    channels = [np.interp(position, steps, _HEAT[:, c]) for c in range(3)]
    heat: RgbImage = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return heat
