"""Patients dealt into folds: each is tested once, by segmenters that have not seen them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from augengine.draws.philox import derive_key
from augengine.errors import SourceError
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.compare.plan import MIN_FOLDS
from augengine_train.unet.cohort import Cohort, Tiles
from augengine_train.unet.foreground import ForegroundMasks
from augengine_train.unet.tiles import Tile

Folds = tuple[tuple[str, ...], ...]


def patients_showing(tiles: Sequence[Tile], classes: tuple[int, ...]) -> frozenset[str]:
    """Names of the patients whose tiles show something to find.

    Args:
        tiles: Any.
        classes: Ids of the foreground.

    Raises:
        SourceError: A mask cannot be read, or has another size than its image.
    """
    masks = ForegroundMasks(classes, PlaceReader())
    return frozenset(tile.patient for tile in tiles if masks.read(tile).any())


def deal_folds(tiles: Sequence[Tile], folds: int, seed: int, showing: Collection[str]) -> Folds:
    """The patients of each fold, about as many tiles in each; every fold has a patient who shows something to find.

    Patients come in a keyed random order, those who show something first and those with the most tiles before others.
    Each goes to the fold that has the fewest tiles so far.

    Args:
        tiles: All of them.
        folds: How many.
        seed: Root of the order.
        showing: Patients who show something; see `patients_showing`.

    Raises:
        SourceError: A tile says no patient, or fewer patients than folds show something.
    """
    if nameless := [tile.key for tile in tiles if not tile.patient]:
        hint = 'write {"patient": "..."} into its json, or say whose tiles they are by --patients'
        raise SourceError(f"{len(nameless)} tiles say no patient, as {nameless[0]}", hint=hint)
    counts = Counter(tile.patient for tile in tiles)
    if (shown := len(counts.keys() & set(showing))) < folds:
        hint = f"--folds {shown}" if shown >= MIN_FOLDS else "name tiles of more patients, or other --classes"
        raise SourceError(f"{shown} patients show something to find, {folds} folds need one each", hint=hint)
    rng = np.random.Generator(np.random.Philox(key=derive_key(seed, "folds")))
    drawn = [sorted(counts)[int(i)] for i in rng.permutation(len(counts))]
    dealt: list[list[str]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    for patient in sorted(drawn, key=lambda name: (name not in showing, -counts[name])):
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
