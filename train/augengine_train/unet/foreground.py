"""Masks of class ids as what the segmenter learns: foreground or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.errors import SourceError
from augengine.pictures.arrays import Mask
from augengine_train.data.decoding import PlaceReader
from augengine_train.unet.tiles import Tile

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


def check_masks(
    tiles: Sequence[Tile],
    masks: ForegroundMasks,
    split: str = "training",
    shown: Callable[[Foreground], Foreground] = lambda mask: mask,
) -> float:
    """Read every mask once, so that a bad one is named before hours of training.

    Where there is nothing to find, a model that finds nothing is perfect: such tiles choose and measure nothing.

    Args:
        tiles: A split's.
        masks: What is foreground.
        split: How messages call the tiles.
        shown: What of a mask counts.

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
        visible = shown(masks.of(ids))
        foreground += int(visible.sum())
        pixels += visible.size
    if not foreground:
        raise _without_foreground(split, masks.classes, seen - {0})
    return foreground / pixels


def _without_foreground(split: str, classes: Sequence[int], found: set[int]) -> SourceError:
    wanted, others = (", ".join(map(str, sorted(ids))) for ids in (classes, found))
    if found & set(classes):
        hint = "it is at borders that an unpadded network does not show, or too small when shrunk: take other tiles"
    else:
        hint = "say which class is foreground, as in --classes 76, and name some tiles that hold it"
    what = f"no {split} mask holds a foreground class ({wanted})"
    return SourceError(f"{what}; the classes found are {others or 'none but 0'}", hint=hint)
