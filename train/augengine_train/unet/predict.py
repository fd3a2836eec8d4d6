"""A trained segmenter on whole tiles, and its measures over a set of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from augengine.pictures.arrays import RgbImage
from augengine_train.data.decoding import PlaceReader
from augengine_train.unet.cohort import check_sizes
from augengine_train.unet.foreground import Foreground, ForegroundMasks, check_masks
from augengine_train.unet.items import Looks
from augengine_train.unet.measures import Measures, compare
from augengine_train.unet.recipe import UnetRecipe
from augengine_train.unet.shrinking import shrink_image, shrink_mask
from augengine_train.unet.standard import Standard
from augengine_train.unet.tiles import Tile
from augengine_train.unet.variants import StoredVariants


class View:
    """What a trained segmenter finds in tiles and their stored variants, beside what it should find.

    Args:
        network: In eval mode; on any device.
        recipe: The network's.
        looks: Its standardisation and classes.
    """

    def __init__(self, network: nn.Module, recipe: UnetRecipe, looks: Looks) -> None:
        self._network, self._recipe, self._looks = network, recipe, looks
        self._stored, self._masks = StoredVariants(), ForegroundMasks(looks.classes, PlaceReader())

    def find(self, tile: Tile, variant: int) -> Foreground:
        """The foreground of a variant, 0 being the tile itself; its shape is `predict`'s."""
        return self.look(self._stored.image(tile, variant))

    def look(self, rgb_hwc: RgbImage) -> Foreground:
        """The foreground of a picture, uint8 (H, W, 3); its shape is `predict`'s."""
        return predict(self._network, rgb_hwc, self._recipe, self._looks.standard)

    def count(self, images: Sequence[RgbImage], masks: Sequence[Foreground]) -> Measures:
        """What it finds in pictures against their masks, bool (H, W) of their sizes; summed."""
        pairs = zip(images, masks, strict=True)
        found = (compare(self.look(image), shown_part(mask, self._recipe)) for image, mask in pairs)
        return sum(found, start=Measures())

    def truth(self, tile: Tile) -> Foreground:
        """The foreground of the tile's mask, where the network's output shows it."""
        return shown_part(self._masks.read(tile), self._recipe)

    def check(self, tiles: Sequence[Tile]) -> None:
        """Refuse tiles that this segmenter cannot be measured on.

        Raises:
            SourceError: Some are smaller than its crop, or none shows any foreground.
        """
        check_sizes(tiles, self._recipe)
        check_masks(tiles, self._masks, "test", lambda mask: shown_part(mask, self._recipe))


def shown_part(mask: Foreground, recipe: UnetRecipe) -> Foreground:
    """What a network's output shows of a tile's mask, at the network's scale."""
    shrunk, margin = shrink_mask(mask, recipe.shrink), recipe.margin
    height, width = shrunk.shape
    return shrunk[margin : height - margin, margin : width - margin]


def evaluate(view: View, tiles: Sequence[Tile]) -> Measures:
    """Counts summed over the tiles themselves; what a valid U-Net's output does not show is not counted."""
    return sum((compare(view.find(tile, 0), view.truth(tile)) for tile in tiles), start=Measures())


def predict(network: nn.Module, rgb_hwc: RgbImage, recipe: UnetRecipe, standard: Standard) -> Foreground:
    """The foreground of a picture by the larger class score.

    A picture larger than a crop is covered by crops whose outputs touch, those at the far borders overlap.

    Args:
        network: In eval mode; on any device.
        rgb_hwc: uint8 (H, W, 3), at least a crop large when shrunk.
        recipe: The network's.
        standard: Its standardisation.

    Returns:
        bool (H / shrink - 2 margin, W / shrink - 2 margin): without the margin that a valid U-Net does not show.
    """
    margin, side = recipe.margin, recipe.crop
    out = side - 2 * margin
    shrunk = shrink_image(rgb_hwc, recipe.shrink)
    scaled = torch.from_numpy(np.ascontiguousarray(shrunk.transpose(2, 0, 1))).float() / 255
    image = standard.apply(scaled)
    height, width = image.shape[1:]
    found = np.zeros((height - 2 * margin, width - 2 * margin), dtype=np.bool_)
    for top in _starts(height - 2 * margin, out):
        for left in _starts(width - 2 * margin, out):
            crop = image[None, :, top : top + side, left : left + side]
            found[top : top + out, left : left + out] = _foreground(network, crop)
    return found


def _starts(length: int, out: int) -> Iterator[int]:
    yield from range(0, length - out, out)
    yield length - out


def _foreground(network: nn.Module, crop_nchw: Tensor) -> Foreground:
    device = next(network.parameters()).device
    with torch.inference_mode():
        scores: Tensor = network(crop_nchw.to(device))
    foreground: Foreground = (scores[0, 1] > scores[0, 0]).cpu().numpy()
    return foreground
