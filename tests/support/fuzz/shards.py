"""Tars: members of all kinds, perhaps cut, perhaps with something in between."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from augengine.errors import AugengineError
from augengine.sample import Failure
from augengine.shards.read import read_tar, scan_tar
from tests.support.fuzz_strategies import shards


def made_up() -> st.SearchStrategy[bytes]:
    """The bytes of a tar."""
    return shards()


def holds(value: bytes, folder: Path) -> bool:
    """It is listed and read alike, or refused."""
    file = folder / "s.tar"
    file.write_bytes(value)
    try:
        entries = scan_tar(str(file)).entries
    except AugengineError:
        return False
    excluded = {ordinal: entry.reason for ordinal, entry in enumerate(entries) if entry.reason}
    outcomes = list(read_tar(str(file), 0, len(entries), excluded, apart=True))
    assert [outcome.key for outcome in outcomes] == [entry.key for entry in entries]
    assert all(isinstance(each, Failure) or not entry.reason for each, entry in zip(outcomes, entries, strict=True))
    return True
