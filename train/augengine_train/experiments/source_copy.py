"""Tiles copied into a source shard of an experiment's own, as they are or changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from augengine.digests import canonical_json
from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image
from augengine.sample import SOURCE_VARIANT
from augengine.shards import ShardWriter
from augengine_train.data.decoding import PlaceReader
from augengine_train.unet.tiles import Tile

Change = Callable[[RgbImage], RgbImage]


def write_sources(tiles: Sequence[Tile], file: Path, change: Change | None = None) -> None:
    """The tiles alone as a source shard; kept if it is there already. Masks are copied byte for byte.

    Args:
        tiles: What to copy.
        file: The tar; written whole or not at all.
        change: What becomes of each picture; None copies pictures byte for byte too.

    Raises:
        TargetError: It cannot be written.
    """
    if file.is_file():
        return
    reader = PlaceReader()
    draft = file.with_suffix(".part")  # its index takes the name of the tar
    with ShardWriter(draft) as writer:
        for tile in tiles:
            said = {"mpp": tile.mpp, "patient": tile.patient}
            meta = canonical_json({name: value for name, value in said.items() if value})
            picture = _picture(tile, reader, change)
            writer.add(tile.key, [picture, (_extension(tile.mask.name), tile.mask.read()), ("json", meta)])
    draft.replace(file)


def _picture(tile: Tile, reader: PlaceReader, change: Change | None) -> tuple[str, bytes]:
    place = tile.images[SOURCE_VARIANT]
    if change is None:
        return _extension(place.name), place.read()
    return "png", encode_image(change(reader.image(place)), "png")


def _extension(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2].lower()
