"""A trained segmenter on whole tiles, and its measures over a set of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from train.data.decoding import PlaceReader, RgbImage
from train.unet.foreground import Foreground, ForegroundMasks
from train.unet.items import Looks
from train.unet.measures import Measures, compare
from train.unet.recipe import UnetRecipe
from train.unet.shown import StoredVariants
from train.unet.shrinking import shrink_image, shrink_mask
from train.unet.standard import Standard
from train.unet.tiles import Tile


def evaluate(network: nn.Module, tiles: Sequence[Tile], recipe: UnetRecipe, looks: Looks) -> Measures:
    """Counts summed over the tiles themselves; what a valid U-Net's output does not show is not counted."""
    stored, masks = StoredVariants(), ForegroundMasks(looks.classes, PlaceReader())
    total = Measures()
    for tile in tiles:
        found = predict(network, stored.image(tile, 0), recipe, looks.standard)
        margin, (height, width) = recipe.margin, found.shape
        truth = shrink_mask(masks.read(tile), recipe.shrink)[margin : margin + height, margin : margin + width]
        total += compare(found, truth)
    return total


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
