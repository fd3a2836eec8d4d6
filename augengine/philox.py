"""Philox4x32-10, the counter-based generator behind every draw.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
A draw is a pure function of (key, counter): it depends on no order, batch, thread or machine.
"""

from __future__ import annotations

import hashlib
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
    shape = np.broadcast_shapes(*(word.shape for word in counter))
    # In C order, whatever the strides of a broadcast array suggest: the rounds run along memory.
    c0, c1, c2, c3 = (np.broadcast_to(word, shape).astype(np.uint64, order="C") for word in counter)
    p0, p1 = np.empty_like(c0), np.empty_like(c0)
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        np.multiply(c0, _MULTIPLIERS[0], out=p0)
        np.multiply(c2, _MULTIPLIERS[1], out=p1)
        _mix(p1, c1, k0, out=c0)
        _mix(p0, c3, k1, out=c2)
        np.bitwise_and(p1, _LOW, out=c1)
        np.bitwise_and(p0, _LOW, out=c3)
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0.astype(np.uint32), c1.astype(np.uint32), c2.astype(np.uint32), c3.astype(np.uint32)


def _mix(product: NDArray[np.uint64], word: NDArray[np.uint64], key: int, *, out: NDArray[np.uint64]) -> None:
    """The high half of a product, another word and a key word, exclusive or."""
    np.right_shift(product, _SHIFT, out=out)
    out ^= word
    out ^= np.uint64(key)


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
