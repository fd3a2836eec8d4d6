"""Tiles that a noise budget is measured on: spread over a source, recoloured where the stain has none of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.chain.batches import pad_to
from augengine.chain.translate import normalise
from augengine.colour import recolour
from augengine.errors import ContentError, SourceError
from augengine.images import Decoder
from augengine.listing import Listing, Unit, digest_entries
from augengine.report import Job
from augengine.sample import Sample
from augengine.sources import SampleSet, Source
from augengine.stains import BUILT_IN, Stain

_LARGEST_TILE = 4096
_SAMPLE_STAIN = "hdab"

GiveTiles = Callable[[int, int, int], "BudgetTiles"]
"""Gives (count, height, width) tiles; fewer where the source has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTiles:
    """Tiles that a noise budget is measured on.

    Attributes:
        tiles_nchw: float32 (T, 3, height, width) in [-1, 1].
        surrogate: Recoloured from another stain's picture.
    """

    tiles_nchw: NDArray[np.float32]
    surrogate: bool


def tiles_of(source: Source, listing: Listing, stain: Stain) -> GiveTiles:
    """Tiles of a source, spread over it, for a noise budget; the sample set is recoloured for other stains.

    Returns:
        A function of (count, height, width); images are cropped at their centre or reflected to that size.
    """

    def tiles(count: int, height: int, width: int) -> BudgetTiles:
        images = [image for sample in _spread(source, listing, count) for image in _decoded(sample)]
        if not images:
            raise SourceError("no tile could be read for the noise budget", hint="name other ones with --tiles")
        surrogate = isinstance(source, SampleSet) and stain.name != _SAMPLE_STAIN
        if surrogate:
            images = [recolour(image, BUILT_IN[_SAMPLE_STAIN], stain) for image in images]
        fitted = normalise([_fit(image, height, width) for image in images])
        return BudgetTiles(tiles_nchw=fitted, surrogate=surrogate)

    return tiles


def _spread(source: Source, listing: Listing, count: int) -> Iterator[Sample]:
    """Up to ``count`` good samples, evenly spaced over a folder, or the first ones of evenly spaced tars."""
    units = [unit for unit in listing.units if unit.entries]
    taken = units[:: max(1, len(units) // count)][:count]
    each = -(-count // len(taken)) if taken else 0
    for unit in taken:
        step = max(1, len(unit.entries) // each) if listing.splits else 1
        for first in range(0, min(len(unit.entries), step * each), step):
            job = _one(unit, first)
            yield from (sample for sample in source.read(job) if isinstance(sample, Sample))


def _one(unit: Unit, ordinal: int) -> Job:
    entry = unit.entries[ordinal]
    digest = digest_entries([entry])
    return Job(index=0, source=unit.source, first=ordinal, count=1, size=entry.size, digest=digest, output="tiles")


def _decoded(sample: Sample) -> list[NDArray[np.uint8]]:
    decoded = Decoder(threads=1, max_side=_LARGEST_TILE).decode([sample.image])
    return [image for image in decoded if not isinstance(image, ContentError)]


def _fit(image_hwc: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    top, left = max(0, image_hwc.shape[0] - height) // 2, max(0, image_hwc.shape[1] - width) // 2
    return pad_to(image_hwc[top : top + height, left : left + width], height, width)
