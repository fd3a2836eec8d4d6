"""Digests, one function for each purpose: of a json value, of bytes, of a file that may be large."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Json with sorted keys and no spaces: the same value, the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def json_digest(value: Any) -> str:
    """The blake2b digest (16 bytes, in hex) of a json value in its canonical form."""
    return bytes_digest(canonical_json(value))


def bytes_digest(data: bytes) -> str:
    """The blake2b digest (16 bytes, in hex) of bytes: names weights and engines."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def file_sha256(file: Path) -> str:
    """The sha256 of a file in hex, read in pieces: what users can compare with ``sha256sum``.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
