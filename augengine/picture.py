"""A picture of what the tool does: sources, their translations, variants, and where the variants differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

RgbImage = NDArray[np.uint8]

_GAP = 10
_MARGIN = 24
_TITLE_PX = 26
_LABEL_PX = 17
_PAPER = (255, 255, 255)
_INK = (33, 37, 41)
_FAINT = (108, 117, 125)
# Anchors of a dark-to-bright heat scale, evenly spaced.
_HEAT = np.array([[12, 7, 34], [92, 22, 110], [188, 55, 84], [243, 120, 25], [252, 255, 164]], dtype=np.float64)

FULL_SCALE = 20.0
"""Deviation among variants, in grey levels, that is drawn brightest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One source and what was made of it; every image uint8 (H, W, 3) of one size.

    Attributes:
        key: The source's key.
        source: The source image.
        intermediate: A' in 8 bits, for the eye only.
        variants_khwc: uint8 (K, H, W, 3), K >= 1.
        sigmas: The K standard deviations drawn.
    """

    key: str
    source: RgbImage
    intermediate: RgbImage
    variants_khwc: RgbImage
    sigmas: tuple[float, ...]


def contact_sheet(rows: Sequence[Row], *, stain: str, reference: str, title: str) -> RgbImage:
    """Draw one row a source: source, A', its variants, and, of more than one, a map of where they differ.

    Args:
        rows: At least one.
        stain, reference: Names for the labels.
        title: One line on top.

    Returns:
        uint8 (height, width, 3).
    """
    columns = max(len(_cells(row, stain, reference)) for row in rows)
    height, width = (max(row.source.shape[axis] for row in rows) for axis in (0, 1))
    top = _MARGIN + _TITLE_PX + 14
    cell = (width + _GAP, height + _LABEL_PX + _GAP + 8)
    size = (2 * _MARGIN + columns * cell[0] - _GAP, top + len(rows) * cell[1] + _MARGIN)
    page = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN - 6), title, _INK, ImageFont.load_default(_TITLE_PX))
    for r, row in enumerate(rows):
        for c, (label, image) in enumerate(_cells(row, stain, reference)):
            x, y = _MARGIN + c * cell[0], top + r * cell[1]
            draw.text((x, y), label, _FAINT, ImageFont.load_default(_LABEL_PX - 3))
            page.paste(Image.fromarray(image), (x, y + _LABEL_PX + 4))
    return np.asarray(page)


def _cells(row: Row, stain: str, reference: str) -> list[tuple[str, RgbImage]]:
    variants = [
        (f"variant {k}, sigma {sigma:.3f}", image)
        for k, (image, sigma) in enumerate(zip(row.variants_khwc, row.sigmas, strict=True), start=1)
    ]
    cells = [(f"source, {stain}", row.source), (f"translated to {reference}", row.intermediate), *variants]
    if len(variants) > 1:
        cells.append((f"where they differ (bright: {FULL_SCALE:.0f} grey levels)", variance_map(row.variants_khwc)))
    return cells


def variance_map(variants_khwc: RgbImage) -> RgbImage:
    """Where K variants differ: their deviation a pixel, averaged over the channels, on a heat scale.

    Args:
        variants_khwc: uint8 (K, H, W, 3).

    Returns:
        uint8 (H, W, 3): dark where all agree, brightest at a deviation of `FULL_SCALE` grey levels or more.
    """
    deviation = variants_khwc.astype(np.float64).std(axis=0).mean(axis=2)
    position = np.clip(deviation / FULL_SCALE, 0, 1) * (len(_HEAT) - 1)
    steps = np.arange(len(_HEAT))
    channels = [np.interp(position, steps, _HEAT[:, c]) for c in range(3)]
    heat: RgbImage = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return heat
