"""Generators whose behaviour is known, as networks, and what is measured of a pair of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from augengine.stains import BUILT_IN
from augengine_train.validate import Validation, measure
from tests.support.pictures import stained, tissue

CD68 = BUILT_IN["cd68"]
SIGMAS = (0.01, 0.05, 0.2)
SCALE = 0.02


class Hide(nn.Module):
    """Makes a picture grey and keeps what it was in differences too small for the eye."""

    def forward(self, x: Tensor) -> Tensor:
        return SCALE * x


class Find(nn.Module):
    """Reads what `Hide` has hidden."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x / SCALE, -1, 1)


class Forget(nn.Module):
    """White, whatever it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


def measured(there: nn.Module, back: nn.Module, **options: Any) -> Validation:
    """Measure on three tiles of tissue and three with markers, at `SIGMAS` unless said otherwise."""
    values: dict[str, Any] = {"sigmas": SIGMAS} | options
    reference = [tissue(96, 96, seed=20 + i) for i in range(3)]
    return measure(there, back, reference, [stained(seed=i) for i in range(3)], CD68, **values)
