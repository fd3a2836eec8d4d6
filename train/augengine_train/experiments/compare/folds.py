"""Patients dealt into folds: each is tested once, by segmenters that have not seen them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from augengine.draws.philox import derive_key
from augengine.errors import SourceError
from augengine_train.unet.cohort import Cohort, Tiles
from augengine_train.unet.tiles import Tile

Folds = tuple[tuple[str, ...], ...]


def deal_folds(tiles: Sequence[Tile], folds: int, seed: int) -> Folds:
    """The patients of each fold, about as many tiles in each.

    Patients come in a keyed random order, those with the most tiles first, and each goes to the fold that has the
    fewest tiles so far.

    Raises:
        SourceError: A tile says no patient, or there are fewer patients than folds.
    """
    if nameless := [tile.key for tile in tiles if not tile.patient]:
        hint = 'write {"patient": "..."} into its json, or say whose tiles they are by --patients'
        raise SourceError(f"{len(nameless)} tiles say no patient, as {nameless[0]}", hint=hint)
    counts = Counter(tile.patient for tile in tiles)
    if len(counts) < folds:
        hint = f"--folds {len(counts)}" if len(counts) >= 3 else "a comparison takes tiles of three patients or more"
        raise SourceError(f"{len(counts)} patients cannot be dealt into {folds} folds", hint=hint)
    rng = np.random.Generator(np.random.Philox(key=derive_key(seed, "folds")))
    drawn = [sorted(counts)[int(i)] for i in rng.permutation(len(counts))]
    dealt: list[list[str]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    for patient in sorted(drawn, key=lambda name: -counts[name]):
        least = sizes.index(min(sizes))
        dealt[least].append(patient)
        sizes[least] += counts[patient]
    return tuple(tuple(sorted(patients)) for patients in dealt)


def cohort_of(tiles: Tiles, folds: Folds, fold: int) -> Cohort:
    """The cohort that tests one fold; the next one validates, the others are learnt from."""
    test, validation = folds[fold], folds[(fold + 1) % len(folds)]
    return Cohort(
        train=tuple(tile for tile in tiles if tile.patient not in (*test, *validation)),
        validation=tuple(tile for tile in tiles if tile.patient in validation),
        test=tuple(tile for tile in tiles if tile.patient in test),
    )
