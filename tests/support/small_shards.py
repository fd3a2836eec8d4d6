"""Shards of a few drawn tiles, each with a mask, a json and a class."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from augengine.shards import ShardWriter, members_of
from tests.support.pictures import class_ids, encode, tissue

Members = list[tuple[str, bytes]]


def members(seed: int = 0, **more: bytes) -> Members:
    """A tile, its mask, its json of 0.5 um/px, and more, by extension."""
    mask = encode(class_ids(seed=seed))
    return members_of(encode(tissue(seed=seed)), "png", mask=mask, json=b'{"mpp":0.5}', extras=more)


def write_shard(file: Path, samples: int = 3) -> Path:
    """``tile_0``, ``tile_1`` ..., each of its own seed."""
    with ShardWriter(file) as writer:
        for i in range(samples):
            writer.add(f"tile_{i}", members(i, cls=b"1"))
    return file


def pack(file: Path, entries: Iterable[tuple[str, bytes]], fmt: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar of members in the order given, as other tools than ours write it."""
    with tarfile.open(file, "w", format=fmt) as tar:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file
