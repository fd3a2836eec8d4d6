"""What a training shows: a tile's variants, read from shards or made on the spot, and the rule that picks one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from augengine.chain.base import Translators
from augengine.chain.batches import pad_to
from augengine.chain.translate import normalise, quantise
from augengine.draws.choose import pick, pick_fresh
from augengine.draws.noise import FloatImage, GaussianNoise
from augengine.engines.fidelity import run_on_host
from augengine.errors import SourceError
from augengine.loader.order import choose_variant
from augengine.pictures.arrays import RgbImage
from augengine.sample import SOURCE_VARIANT
from augengine.spec import NoiseSpec
from augengine_train.data.decoding import PlaceReader
from augengine_train.unet.tiles import Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which variant of a tile an epoch shows; equal for every loader.

    Attributes:
        variants: How many there are, each as likely as the others (`augengine.draws.choose.pick`); 0 shows tiles alone;
            None gives each epoch one of its own (`augengine.draws.choose.pick_fresh`).
        at_most: Whether each tile shows one of all its own variants, of which a gate may have left it fewer.
        p: Probability of showing a variant.
        seed: The training's.
    """

    variants: int | None
    p: float
    seed: int
    at_most: bool = False

    def pick(self, tile: Tile, epoch: int) -> int:
        """0 for the tile itself, else a variant's number. A tile that was passed through always shows itself."""
        if tile.passed:
            return SOURCE_VARIANT
        if self.variants is None:
            return pick_fresh(self.p, self.seed, tile.key, epoch)
        if self.at_most:  # as `augengine.open_dataset` shows them
            return choose_variant(sorted(tile.images), self.p, self.seed, tile.key, epoch)
        return pick(self.variants, self.p, self.seed, tile.key, epoch)

    def most(self, epochs: int) -> int:
        """How many variants of a tile a training of that many epochs may ask for."""
        return epochs if self.variants is None else self.variants

    def least(self, epochs: int) -> int:
        """How many variants each tile must have for it."""
        return min(1, self.most(epochs)) if self.at_most else self.most(epochs)


class Variants(Protocol):
    """The images of tiles and of their variants. Equal arguments give equal pixels, in any order."""

    def image(self, tile: Tile, variant: int) -> RgbImage:
        """uint8 (H, W, 3) of a variant; 0 is the tile itself.

        Raises:
            SourceError: It cannot be read or made.
        """
        ...


class StoredVariants:
    """Variants that were written ahead, by `augengine augment` or by `augengine_train.unet.arms`."""

    def __init__(self) -> None:
        self._reader = PlaceReader()

    def image(self, tile: Tile, variant: int) -> RgbImage:
        """Implement `Variants`."""
        return self._reader.image(tile.images[variant])


class OnlineVariants:
    """Variants made when they are asked for: A', the variant's noise, and back, as the chain does it.

    The pixels are those of `augengine augment --chain plain` with the same engines, eps and seed, bit for bit; the
    graph of the default chain may differ by a grey level here and there. Any variant number may be asked for, at the
    cost of two passes.

    Args:
        translators: The engines of the stain, as large as the tiles or larger.
        noise: eps and the noise's seed.
    """

    def __init__(self, translators: Translators, noise: NoiseSpec) -> None:
        self._translators, self._noise = translators, GaussianNoise(noise)
        self._stored = StoredVariants()

    def image(self, tile: Tile, variant: int) -> RgbImage:
        """Implement `Variants`."""
        picture = self._stored.image(tile, SOURCE_VARIANT)
        if variant == SOURCE_VARIANT:
            return picture
        a_chw = to_reference(self._translators, picture, tile.key)
        self._noise.add(a_chw, a_chw, key=tile.key, variant=variant)
        return from_reference(self._translators, a_chw, picture.shape[:2], tile.key)


def to_reference(translators: Translators, rgb_hwc: NDArray[np.uint8], key: str) -> FloatImage:
    """A' of a picture, float32 (3, height, width) in the engines' size, never quantised."""
    height, width = rgb_hwc.shape[:2]
    if height > translators.height or width > translators.width:
        size = f"{width} x {height} px, the engines take at most {translators.width} x {translators.height}"
        raise SourceError(f"{key} is {size}", hint="build larger engines: augengine build-engines --size")
    x_nchw = normalise([pad_to(rgb_hwc, translators.height, translators.width)])
    return _finite(run_on_host(translators.to_reference, x_nchw), key)


def from_reference(translators: Translators, a_chw: FloatImage, size: tuple[int, ...], key: str) -> RgbImage:
    """The picture that A' becomes, uint8 (H, W, 3) of ``size``."""
    y_chw = _finite(run_on_host(translators.from_reference, a_chw[None]), key)
    return np.ascontiguousarray(quantise(y_chw[None])[0][: size[0], : size[1]])


def _finite(y_nchw: FloatImage, key: str) -> FloatImage:
    if not np.isfinite(y_nchw).all():
        raise SourceError(f"the generators gave numbers that are not finite for {key}")
    found: FloatImage = y_nchw[0]
    return found
