"""Sample grids: what both cycles make of a few tiles, as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from augengine.chain.translate import quantise
from augengine.pictures.arrays import RgbImage
from augengine_train.validate.tiles import cut_tiles, to_input, translate

ROWS = 4
_GAP = 4
_WHITE = 255


def sample_grid(
    to_reference: nn.Module,
    from_reference: nn.Module,
    reference_images: Sequence[RgbImage],
    stain_images: Sequence[RgbImage],
    *,
    device: torch.device | str = "cpu",
    rows: int = ROWS,
    side: int = 256,
) -> RgbImage:
    """Both cycles of a few tiles: a, its translation, its reconstruction | b, its translation, its reconstruction.

    Args:
        to_reference, from_reference: The generators, on ``device``.
        reference_images, stain_images: uint8 (H, W, 3).
        device: Where the networks are.
        rows: Most rows; fewer where there are fewer tiles.
        side: Longest side of a tile, px.

    Returns:
        uint8 (H, W, 3) on white.

    Raises:
        SourceError: No pictures, or too small ones.
        CheckpointError: Output that is not finite.
    """
    at = torch.device(device)
    a_tiles, b_tiles = (cut_tiles(images, side=side, count=rows) for images in (reference_images, stain_images))
    left = [_row(tile, from_reference, to_reference, at) for tile in a_tiles]
    right = [_row(tile, to_reference, from_reference, at) for tile in b_tiles]
    height, width = (max(tile.shape[axis] for tile in (*a_tiles, *b_tiles)) for axis in (0, 1))
    sheet = np.full(
        (max(len(left), len(right)) * (height + _GAP) + _GAP, 6 * (width + _GAP) + 2 * _GAP, 3), _WHITE, dtype=np.uint8
    )
    for block, lines in enumerate((left, right)):
        for line, pictures in enumerate(lines):
            for column, picture in enumerate(pictures):
                y = _GAP + line * (height + _GAP)
                x = _GAP + (3 * block + column) * (width + _GAP) + block * _GAP
                sheet[y : y + len(picture), x : x + picture.shape[1]] = picture
    return sheet


def _row(tile: RgbImage, first: nn.Module, second: nn.Module, device: torch.device) -> tuple[RgbImage, ...]:
    there = translate(first, to_input(tile), device)
    back = translate(second, there, device)
    return (tile, *(quantise(image[None])[0] for image in (there, back)))
