"""Keyed random draws: each purpose has a generator of its own, so that no draw depends on what else was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from augengine.draws.philox import derive_key

Map = NDArray[np.floating[Any]]
"""(height, width), one value a pixel; float32."""

Points = NDArray[np.float64]
"""(N, 2): y and x in um from the field's upper left corner."""

SEED_BITS = 53
"""A json reader may hold numbers as doubles: seeds that are written down stay below 2**53."""

_ROUNDS = 6


def keyed(seed: int, purpose: str) -> np.random.Generator:
    """A generator that is a pure function of ``seed`` and ``purpose``."""
    return np.random.Generator(np.random.Philox(key=derive_key(seed, purpose)))


def derive_seed(seed: int, purpose: str) -> int:
    """A seed of its own for a purpose, 0 ... 2**53 - 1."""
    return derive_key(seed, purpose) >> (64 - SEED_BITS)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Map:
    """Gaussian noise of unit variance, smoothed: float32 of ``shape``.

    Args:
        rng: Where it is drawn from.
        shape: (height, width) in pixels.
        sigma: Standard deviation of the smoothing, in pixels; wide noise is drawn on a coarser grid.
    """
    step = max(1, int(sigma / 2))
    coarse = (shape[0] // step + 2, shape[1] // step + 2)
    narrow = sigma / step
    noise = gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), narrow, truncate=3, mode="wrap")
    unit: Map = noise * np.float32(2 * np.sqrt(np.pi) * max(narrow, 0.3))
    return interpolate(unit, np.arange(shape[0]) / step, np.arange(shape[1]) / step)


def interpolate(values: Map, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Map:
    """Bilinear values at every combination of fractional ``rows`` and ``columns``, clipped to the grid."""
    tall = _along_rows(values, rows)
    return np.ascontiguousarray(_along_rows(np.ascontiguousarray(tall.T), columns).T)


def _along_rows(values: Map, places: NDArray[np.float64]) -> Map:
    inside = np.clip(places, 0, len(values) - 1)
    low = np.minimum(inside.astype(np.intp), max(len(values) - 2, 0))
    share = (inside - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(values) - 1)
    mixed: Map = values[low] * (1 - share) + values[high] * share
    return mixed


def jittered_grid(rng: np.random.Generator, low_um: float, high_um: float, spacing_um: float) -> Points:
    """Points about ``spacing_um`` apart that cover the square from ``low_um`` to ``high_um``."""
    count = max(1, int(np.ceil((high_um - low_um) / spacing_um)))
    y, x = np.mgrid[:count, :count].reshape(2, -1).astype(np.float64)
    corners = np.stack([y, x], axis=1)
    return low_um + spacing_um * (corners + rng.uniform(0, 1, corners.shape))


def thin_out(points: Points, apart_um: float) -> NDArray[np.intp]:
    """Which points to keep so that no two are closer than ``apart_um``; earlier ones go first."""
    order = np.arange(len(points))
    pairs = cKDTree(points).query_pairs(apart_um, output_type="ndarray") if len(points) else np.empty((0, 2), int)
    alive, kept = np.ones(len(points), dtype=bool), np.zeros(len(points), dtype=bool)
    for _ in range(_ROUNDS):
        first, second = pairs[:, 0], pairs[:, 1]
        # Of every pair that is left the later one waits; who waits for nobody is kept, and its neighbours fall.
        waits = np.zeros(len(points), dtype=bool)
        waits[np.maximum(first, second)] = True
        chosen = alive & ~waits
        kept |= chosen
        fallen = np.concatenate([second[chosen[first]], first[chosen[second]]])
        alive &= ~chosen
        alive[fallen] = False
        pairs = pairs[alive[first] & alive[second]]
    return order[kept]
