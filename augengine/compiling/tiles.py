"""Tiles that generators are measured on: spread over a source, recoloured where the stain has none of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.chain.batches import pad_to
from augengine.chain.translate import normalise
from augengine.compiling.places import read_places, spread
from augengine.errors import ContentError
from augengine.listing import Listing, digest_entries
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.colour import recolour
from augengine.pictures.images import Decoder
from augengine.pictures.masks import fitting_mask
from augengine.sample import Failure, Sample
from augengine.sources import SampleSet, Source
from augengine.sources.sample_set import STAIN
from augengine.spec import MAX_SIDE
from augengine.stains import BUILT_IN, Stain

_DRAWN = BUILT_IN[STAIN]
_TRIES = 8
"""How many samples are tried for each tile wanted, where some cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One tile.

    Attributes:
        key: Its sample's key.
        image_hwc: uint8 (H, W, 3).
        mask: Class ids of the same places, uint8 (H, W); None if the sample has no mask that fits its image.
    """

    key: str
    image_hwc: RgbImage
    mask: Mask | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Tiles of a stain.

    Attributes:
        source: Where they are taken from.
        listing: What it holds.
        stain: What they should look like.
        known: The generators to be measured are those that know the sample set.
        preferred: Keys of samples that are taken before others, such as those that the pair was judged on.
    """

    source: Source
    listing: Listing
    stain: Stain
    known: bool = False
    preferred: tuple[str, ...] = ()

    @property
    def surrogate(self) -> bool:
        """Whether they are drawn tissue that the generators do not know; recoloured for stains of other colours."""
        return isinstance(self.source, SampleSet) and not self.known

    def identity(self) -> list[Any]:
        """What tells it from other tiles, as plain json values: the source, its files and the stain's vectors."""
        files = [digest_entries(unit.entries) for unit in self.listing.units]
        return [files, self.source.to_json(), [*self.stain.chromogen, *self.stain.counterstain]]

    def take(self, count: int, height: int, width: int) -> NDArray[np.float32] | None:
        """Up to ``count`` tiles, float32 (T, 3, height, width) in [-1, 1]; None if none can be read.

        Images are cropped at their centre, or reflected, to that size.
        """
        read = (tile.image_hwc for tile in self.each(count, height, width) if isinstance(tile, Tile))
        images = list(islice(read, count))
        return normalise(images) if images else None

    def each(self, count: int, height: int, width: int) -> Iterator[Tile | Failure]:
        """Tiles of that size, the first ``count`` of them spread over the source, or why a sample gives none.

        It ends after eight times as many: a source full of bad samples is not read to its end.
        """
        decoder = Decoder(threads=1, max_side=MAX_SIDE)
        places = islice(spread(self.listing, count, preferred=self.preferred), _TRIES * count)
        while taken := list(islice(places, count)):
            for sample in read_places(self.source, self.listing, taken):
                yield sample if isinstance(sample, Failure) else self._tile(sample, decoder, height, width)

    def _tile(self, sample: Sample, decoder: Decoder, height: int, width: int) -> Tile | Failure:
        (image,) = decoder.decode([sample.image])
        if isinstance(image, ContentError):
            return Failure(sample.key, image.sentence)
        own = recolour(image, _DRAWN, self.stain) if self._other_colours else image
        mask = fitting_mask(sample.mask, image, max_side=MAX_SIDE)
        fitted = None if mask is None else _fit(mask, height, width)
        return Tile(key=sample.key, image_hwc=_fit(own, height, width), mask=fitted)

    @property
    def _other_colours(self) -> bool:
        vectors = [(stain.chromogen, stain.counterstain) for stain in (_DRAWN, self.stain)]
        return self.surrogate and vectors[0] != vectors[1]


def _fit(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    top, left = max(0, pixels.shape[0] - height) // 2, max(0, pixels.shape[1] - width) // 2
    return pad_to(pixels[top : top + height, left : left + width], height, width)
