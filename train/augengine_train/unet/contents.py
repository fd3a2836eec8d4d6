"""Tiles and their stored variants, by how many bytes each takes."""

from __future__ import annotations

from collections.abc import Sequence

from augengine.digests import json_digest
from augengine_train.unet.tiles import Tile


def digest_sizes(tiles: Sequence[Tile], variants: int = 0) -> str:
    """Fingerprint of the tiles: keys and file sizes of mask, image and first N variants (no file is opened).

    Other pictures of the same keys are all but certain to differ in it where they are compressed, as png and jpg are;
    of uncompressed ones (bmp, tif) of equal size it says nothing.
    """
    return json_digest([[tile.key, tile.mask.size, *_sizes(tile, variants)] for tile in tiles])


def _sizes(tile: Tile, variants: int) -> list[int | None]:
    return [place.size for number, place in tile.images.items() if number <= variants]
