"""The tiles of a search, by what they show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from augengine.sample import SOURCE_VARIANT
from augengine.spec import digest
from augengine_train.unet.tiles import Tile


def digest_tiles(tiles: Sequence[Tile]) -> str:
    """Of some tiles' keys, um/px, images and masks, but not of where they lie.

    Raises:
        SourceError: One cannot be read.
    """
    return digest(
        [[tile.key, tile.mpp, _digest(tile.images[SOURCE_VARIANT].read()), _digest(tile.mask.read())] for tile in tiles]
    )


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
