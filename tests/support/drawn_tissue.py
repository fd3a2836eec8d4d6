"""Two drawn stains whose mapping is known: the same tissue in two sets of colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augengine.json_values import from_json, to_json
from augengine_train.cyclegan.losses import Lambdas
from augengine_train.cyclegan.recipe import TrainingRecipe, zhu2017

Pixels = NDArray[np.float32]

LIGHT = Lambdas(cycle=10.0, identity=5.0)


def tiny_recipe(**changes: Any) -> TrainingRecipe:
    """zhu2017 at width 4 with one block, discriminators of width 8 and crops of 32 px."""
    fields = to_json(zhu2017().with_changes(width=4, blocks=1, crop=32))
    return from_json(TrainingRecipe, fields | {"name": "tiny", "discriminator_width": 8, "pool": 5} | changes)


def density(seed: int, side: int) -> Pixels:
    """How much tissue there is: float32 (side, side) in [0, 1], soft round blobs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    field = np.zeros((side, side))
    for _ in range(6):
        cy, cx, radius = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(3, 8)
        field += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * radius**2))
    return np.clip(field, 0, 1).astype(np.float32)


def in_reference_colours(amount: Pixels) -> Pixels:
    """Magenta on white: float32 (3, side, side) in [-1, 1]."""
    return _draw(amount, (0.2, 0.9, 0.35))


def in_stain_colours(amount: Pixels) -> Pixels:
    """Blue on white: float32 (3, side, side) in [-1, 1]."""
    return _draw(amount, (0.9, 0.6, 0.1))


def _draw(amount: Pixels, colour: tuple[float, float, float]) -> Pixels:
    transmitted = 1 - amount[None] * np.array(colour, dtype=np.float32)[:, None, None]
    return (2 * transmitted - 1).astype(np.float32)


class DrawnCrops:
    """Unpaired drawings, item i from seeds of its own; it can be told to break off, or to give no numbers."""

    def __init__(
        self, length: int, *, side: int = 32, seed: int = 0, breaks_at: int | None = None, nan_at: int | None = None
    ) -> None:
        self.length, self.side, self.seed, self.breaks_at, self.nan_at = length, side, seed, breaks_at, nan_at

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if index == self.breaks_at:
            raise KeyboardInterrupt
        first = 2 * (self.seed * 1_000_000 + index)
        reference = in_reference_colours(density(first, self.side))
        stain = in_stain_colours(density(first + 1, self.side))
        if index == self.nan_at:
            stain = stain * np.float32("nan")
        return {"reference": torch.from_numpy(reference), "stain": torch.from_numpy(stain)}
