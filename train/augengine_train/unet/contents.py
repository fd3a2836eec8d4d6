"""Tiles and their stored variants, by how many bytes each takes."""

from __future__ import annotations

from collections.abc import Sequence

from augengine.spec import digest
from augengine_train.unet.tiles import Tile


def digest_sizes(tiles: Sequence[Tile], variants: int = 0) -> str:
    """Of some tiles' keys and of the bytes that mask, image and the first so many variants take; nothing is read.

    Other pictures of the same keys are all but certain to differ in it where they are compressed, as png and jpg are;
    of uncompressed ones (bmp, tif) of equal size it says nothing.
    """
    return digest([[tile.key, tile.mask.size, *_sizes(tile, variants)] for tile in tiles])


def _sizes(tile: Tile, variants: int) -> list[int | None]:
    return [place.size for number, place in tile.images.items() if number <= variants]
