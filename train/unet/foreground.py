"""Masks of class ids as what the segmenter learns: foreground or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.errors import SourceError
from augengine.images import Mask
from train.data.decoding import PlaceReader
from train.unet.tiles import Tile

Foreground = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ForegroundMasks:
    """Reads masks; ``classes`` are the ids that count as foreground."""

    classes: tuple[int, ...]
    reader: PlaceReader

    def ids(self, tile: Tile) -> Mask:
        """Class ids as stored, uint8 (H, W).

        Raises:
            SourceError: Unreadable, or of another size than the image.
        """
        mask = self.reader.mask(tile.mask)
        if mask.shape != (tile.height, tile.width):
            raise SourceError(
                f"the mask of {tile.key} is {mask.shape[1]} x {mask.shape[0]} px, "
                f"its image {tile.width} x {tile.height} px"
            )
        return mask

    def of(self, ids: Mask) -> Foreground:
        """bool (H, W)."""
        return np.isin(ids, self.classes)

    def read(self, tile: Tile) -> Foreground:
        """The foreground of a tile, bool (H, W); errors as in `ids`."""
        return self.of(self.ids(tile))


def check_masks(tiles: Sequence[Tile], masks: ForegroundMasks) -> float:
    """Read every mask once, so that a bad one is named before hours of training.

    Returns:
        The share of foreground pixels.

    Raises:
        SourceError: A mask that cannot be read, or no foreground anywhere.
    """
    seen: set[int] = set()
    foreground = pixels = 0
    for tile in tiles:
        ids = masks.ids(tile)
        seen |= set(np.unique(ids).tolist())
        foreground += int(masks.of(ids).sum())
        pixels += ids.size
    if not foreground:
        wanted = ", ".join(map(str, masks.classes))
        others = ", ".join(map(str, sorted(seen - {0}))) or "none but 0"
        raise SourceError(
            f"no training mask holds a foreground class ({wanted}); the classes found are {others}",
            hint="say which class is foreground, as in --classes 76",
        )
    return foreground / pixels
