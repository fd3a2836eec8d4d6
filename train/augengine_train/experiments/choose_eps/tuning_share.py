"""The separate tenth of the training data that eps is chosen on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from augengine.draws.philox import derive_key
from augengine.errors import SourceError, SpecError
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.tiles import Tile

Unit = Literal["tile", "patient"]


def draw_share(tiles: Sequence[Tile], share: float, unit: Unit, seed: int) -> Tiles:
    """A keyed random share of the tiles, or all tiles of a share of the patients; at least one.

    Raises:
        SpecError: A share outside (0, 1].
        SourceError: Patients are asked for and some tile names none.
    """
    if not 0 < share <= 1:
        raise SpecError(f"the share must be in (0, 1], got {share}", hint="the paper takes 0.1")
    names = [tile.patient if unit == "patient" else tile.key for tile in tiles]
    if unit == "patient" and not all(names):
        nameless = next(tile.key for tile in tiles if not tile.patient)
        raise SourceError(f"{nameless} says no patient", hint='write {"patient": "..."} into its json, or --by tile')
    unique = sorted(set(names))
    rng = np.random.Generator(np.random.Philox(key=derive_key(seed, f"a share of the {unit}s")))
    count = max(1, math.floor(share * len(unique) + 0.5))
    chosen = {unique[int(index)] for index in rng.permutation(len(unique))[:count]}
    return tuple(tile for tile, name in zip(tiles, names, strict=True) if name in chosen)
