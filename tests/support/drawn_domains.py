"""Drawn pictures to train on: in folders, as domains in memory, and cut into crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augengine_train.data import Domain, UnpairedCrops
from tests.support.pictures import encode, tissue


def write(folder: Path, **sizes: tuple[int, int]) -> Path:
    """A folder of PNG tissue, each picture of its name, its (height, width) and its seed, from 0 on."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, size) in enumerate(sizes.items()):
        (folder / f"{name}.png").write_bytes(encode(tissue(*size, seed=seed)))
    return folder


def domain(name: str = "pas", seed: int = 0, side: int = 64) -> Domain:
    """Two square pictures of tissue in memory."""
    return Domain.of_arrays(name, [tissue(side, side, seed=seed + i) for i in range(2)])


def crops(**options: Any) -> UnpairedCrops:
    """20 crops of 32 px of PAS and CD68, unless said otherwise."""
    values: dict[str, Any] = {"crop": 32, "seed": 7, "steps": 20} | options
    sides = values.pop("reference", domain()), values.pop("stain", domain("cd68", 10))
    return UnpairedCrops(*sides, **values)
