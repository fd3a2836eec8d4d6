"""Drawn tiles for segmenters: round glomeruli in tissue, as source shards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augengine.shards import ShardWriter
from augengine_train.unet.recipe import UnetRecipe
from tests.support.pictures import Pixels, encode, tissue


def tiny_recipe(**changes: Any) -> UnetRecipe:
    """Padded, width 4, depth 2, 32 px, batch 4, no stain jitter."""
    fields: dict[str, Any] = {"name": "tiny", "padding": "same", "width": 4, "depth": 2, "crop": 32, "batch": 4}
    return UnetRecipe(**{**fields, "epochs": 2, "lr": 1e-2, "stain_jitter": False, **changes})


def glomerulus(side: int, seed: int, *, class_id: int = 1, empty: bool = False) -> tuple[Pixels, Pixels]:
    """Tissue with one pink disc, uint8 (side, side, 3), and its mask."""
    rng = np.random.default_rng(seed)
    picture = tissue(side, side, seed).astype(np.float64)
    y, x = np.mgrid[:side, :side]
    cy, cx = rng.uniform(0.35 * side, 0.65 * side, 2)
    inside = (y - cy) ** 2 + (x - cx) ** 2 < (rng.uniform(0.2, 0.3) * side) ** 2
    if empty:
        inside[:] = False
    picture[inside] *= (0.9, 0.55, 0.75)
    return picture.astype(np.uint8), (inside * class_id).astype(np.uint8)


def write_tiles(
    folder: Path,
    keys: Sequence[str],
    *,
    side: int = 32,
    seed: int = 0,
    patient: str | None = None,
    class_id: int = 1,
    shard: str = "tiles-000000",
    said: Mapping[str, Any] | None = None,
) -> Path:
    """A source shard of drawn tiles in ``folder``, whose json says 0.5 um/px and what is ``said``; its path."""
    file = folder / f"{shard}.tar"
    with ShardWriter(file) as writer:
        for index, key in enumerate(keys):
            picture, mask = glomerulus(side, seed + index, class_id=class_id)
            meta = {"mpp": 0.5, **({"patient": patient} if patient else {}), **(said or {})}
            members = [("png", encode(picture)), ("seg.png", encode(mask)), ("json", json.dumps(meta).encode())]
            writer.add(key, members)
    return file


def names(prefix: str, count: int) -> list[str]:
    """``p0``, ``p1`` ..."""
    return [f"{prefix}{i}" for i in range(count)]
