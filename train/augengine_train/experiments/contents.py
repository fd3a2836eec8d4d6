"""The tiles of an experiment, by what they show."""

from __future__ import annotations

from collections.abc import Sequence

from augengine.digests import bytes_digest, json_digest
from augengine.sample import SOURCE_VARIANT
from augengine_train.unet.tiles import Tile


def digest_tiles(tiles: Sequence[Tile]) -> str:
    """Fingerprint of the tiles' keys, um/px, images and masks, wherever the files lie.

    Raises:
        SourceError: One cannot be read.
    """
    return json_digest([_fingerprint(tile) for tile in tiles])


def _fingerprint(tile: Tile) -> list[object]:
    image, mask = tile.images[SOURCE_VARIANT].read(), tile.mask.read()
    return [tile.key, tile.mpp, bytes_digest(image), bytes_digest(mask)]
