"""Where shuffled markers go, as a pure function of (seed, key, variant, marker, try)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.draws.philox import Stream, derive_key, philox4x32, uniform

SHUFFLE_VERSION = 1
"""Written into every sample; changes if the same (seed, key, variant) ever moves markers elsewhere."""

MAX_TRIES = 16
"""Places that are drawn for each marker: the first that is free and in tissue is taken."""

TURNS = 8
"""Quarter turns, mirrored or not, that a marker may be laid down with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """The draws for N markers of one variant of one picture.

    Attributes:
        places: float64 (N, `MAX_TRIES`) in [0, 1): which of the tissue's pixels, as a share of them all.
        turns: int64 (N, `MAX_TRIES`) from 0 to 7: quarter turns, and 4 more where the marker is mirrored.
    """

    places: NDArray[np.float64]
    turns: NDArray[np.int64]


def draw_moves(seed: int, key: str, variant: int, count: int) -> Moves:
    """The draws for ``count`` markers; a marker's draws do not depend on how many there are.

    Args:
        seed: Root of every draw of a dataset.
        key: The source sample's key.
        variant: 1 ... K.
        count: How many markers.
    """
    counter = (
        np.arange(count, dtype=np.uint32).reshape(-1, 1),
        np.arange(MAX_TRIES, dtype=np.uint32).reshape(1, -1),
        np.full((1, 1), variant, dtype=np.uint32),
        np.full((1, 1), Stream.SHUFFLE, dtype=np.uint32),
    )
    where, turned, *_ = philox4x32(counter, derive_key(seed, key))
    return Moves(places=1.0 - uniform(where), turns=(turned >> np.uint32(29)).astype(np.int64))
