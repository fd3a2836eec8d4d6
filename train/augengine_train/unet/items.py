"""The training's samples in their order: item i is a pure function of the seed and i."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from augengine.draws.philox import derive_key
from augengine.errors import SpecError
from augengine.loader.order import order_epoch
from augengine.pictures.arrays import RgbImage
from augengine.stains import Stain
from augengine_train.data.decoding import PlaceReader
from augengine_train.data.picture_cache import PictureCache
from augengine_train.unet.augmentations import apply
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.draws import draw
from augengine_train.unet.foreground import ForegroundMasks
from augengine_train.unet.recipe import UnetRecipe
from augengine_train.unet.shrinking import shrink_image, shrink_mask
from augengine_train.unet.standard import Standard
from augengine_train.unet.tiles import Tile
from augengine_train.unet.variants import Rule, Variants


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How a tile becomes what the network sees.

    Attributes:
        standard: Mean and deviation of the training set.
        classes: Ids of the foreground.
        stain: Whose vectors the stain jitter takes; None where nothing is jittered.
    """

    standard: Standard
    classes: tuple[int, ...]
    stain: Stain | None = None


@dataclass
class TrainingItems(Dataset[dict[str, Tensor]]):
    """``steps * batch`` samples: epoch after epoch of all tiles, each in an order of its own.

    A tile is replaced by a variant or not, as the rule says; then it is cropped at random and augmented. The
    augmentation by stain translation comes first, on the whole tile, as in the laboratory's code.

    Attributes:
        tiles: What is trained on.
        variants: Their images.
        rule: Which variant an epoch shows.
        recipe: Crop, batch and augmentations.
        looks: Standardisation and foreground.
        steps: Steps of the training.
        kept: Decoded and shrunk pictures, as far as memory allows.
    """

    tiles: Tiles
    variants: Variants
    rule: Rule
    recipe: UnetRecipe
    looks: Looks
    steps: int
    _reader: PlaceReader = field(default_factory=PlaceReader)
    kept: PictureCache = field(default_factory=PictureCache)

    def __post_init__(self) -> None:
        if self.recipe.stain_jitter and self.looks.stain is None:
            raise SpecError("stain jitter needs the stain's vectors", hint="say --stain, or a recipe without it")

    def __len__(self) -> int:
        return self.steps * self.recipe.batch

    def shown(self, index: int) -> tuple[Tile, int, int]:
        """The tile of item ``index``, which variant of it is shown, and in which epoch."""
        epoch, place = divmod(index, len(self.tiles))
        count = len(self.tiles)
        tile = self.tiles[int(order_epoch([count], seed=self.rule.seed, epoch=epoch, shuffle=count)[place])]
        return tile, self.rule.pick(tile, epoch), epoch

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """``image``: standardised float32 (3, crop, crop); ``mask``: int64 (out, out), 1 is foreground."""
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        tile, variant, epoch = self.shown(index)
        picture, mask = self._picture(tile, variant), self._mask(tile)
        picture, mask = _crop(picture, mask, self.recipe.crop, derive_key(self.rule.seed, f"{tile.key} {epoch}"))
        image, mask = apply(draw(self.recipe, self.rule.seed, tile.key, epoch), picture, mask, self.looks.stain)
        margin = self.recipe.margin
        centre = mask[margin : len(mask) - margin, margin : len(mask) - margin]
        return {
            "image": self.looks.standard.apply(image).float(),
            "mask": torch.from_numpy(centre.astype(np.int64)),
        }

    def _picture(self, tile: Tile, variant: int) -> RgbImage:
        shrink = self.recipe.shrink
        return self.kept.get((tile.key, variant), lambda: shrink_image(self.variants.image(tile, variant), shrink))

    def _mask(self, tile: Tile) -> NDArray[np.uint8]:
        masks = ForegroundMasks(self.looks.classes, self._reader)
        return self.kept.get(tile.key, lambda: shrink_mask(masks.read(tile).astype(np.uint8), self.recipe.shrink))


def _crop(picture: RgbImage, mask: NDArray[np.uint8], side: int, key: int) -> tuple[RgbImage, NDArray[np.uint8]]:
    rng = np.random.Generator(np.random.Philox(key=key))
    top, left = (int(rng.integers(size - side + 1)) for size in mask.shape)
    window = slice(top, top + side), slice(left, left + side)
    return picture[window], mask[window]


def steps_of(recipe: UnetRecipe, tiles: int, steps: int | None = None) -> int:
    """The steps of a training: the recipe's epochs over that many tiles, or what is asked for."""
    return -(-recipe.epochs * tiles // recipe.batch) if steps is None else steps


def epochs_of(recipe: UnetRecipe, tiles: int, steps: int) -> int:
    """The epochs that a training of that many steps touches."""
    return -(-steps * recipe.batch // tiles)
