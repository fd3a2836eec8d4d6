"""Philox4x32-10, the counter-based generator behind every draw.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
A draw is a pure function of (key, counter): it depends on no order, batch, thread or machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


class Stream(IntEnum):
    """Last counter word: what a draw is for."""

    NOISE = 0
    SIGMA = 1
    ONLINE = 2
    PLACES = 3
    SHUFFLE = 4


def derive_key(seed: int, sample_key: str) -> int:
    """The 64-bit Philox key of a sample: the first 8 bytes of blake2b over the seed and the sample's key."""
    digest = hashlib.blake2b(f"{seed}\0{sample_key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def philox4x32(counter: tuple[Words, Words, Words, Words], key: int) -> tuple[Words, Words, Words, Words]:
    """Ten rounds of Philox4x32.

    Args:
        counter: Four arrays of uint32 that broadcast against each other.
        key: 64 bits; the low word is the first key word.

    Returns:
        Four uint32 arrays of the broadcast shape.
    """
    # Words of a row or a column stay so for the first rounds, and grow to the whole shape as they mix.
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in counter)
    for k0, k1 in _round_keys(key):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _LOW
        c2, c3 = (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _LOW
    return c0.astype(np.uint32), c1.astype(np.uint32), c2.astype(np.uint32), c3.astype(np.uint32)


def _round_keys(key: int) -> Iterator[tuple[np.uint64, np.uint64]]:
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        yield np.uint64(k0), np.uint64(k1)
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF


def uniform(words: Words) -> NDArray[np.float64]:
    """Uniforms in (0, 1] from the top 24 bits: ``(u + 1) * 2**-24``."""
    found = (words >> np.uint32(8)).astype(np.float64)
    found += 1.0
    found *= 2.0**-24
    return found


def draw_uniform(key: int, variant: int, stream: Stream, index: int = 0) -> float:
    """One uniform in (0, 1] for a sample's variant: word 0 at counter (index, 0, variant, stream)."""
    counter = tuple(np.array([word], dtype=np.uint32) for word in (index, 0, variant, stream))
    return float(uniform(philox4x32(counter, key)[0])[0])  # type: ignore[arg-type]
