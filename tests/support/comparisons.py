"""Small tiles of four patients, and a comparison on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augengine.stains import BUILT_IN
from augengine_train.experiments.compare.plan import Comparing
from augengine_train.unet.tiles import Tile, find_tiles
from tests.support.segmenter_tiles import names, tiny_recipe, write_tiles

PATIENTS = ("p0", "p1", "p2", "p3")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tile, ...]:
    folder = tmp_path_factory.mktemp("tiles")
    for number, patient in enumerate(PATIENTS):
        write_tiles(folder, names(f"{patient}_", 2 + number % 2), seed=10 * number, patient=patient, shard=patient)
    return find_tiles([str(folder)])


def wanted(tiles: tuple[Tile, ...], out: Path, **changes: Any) -> Comparing:
    options: dict[str, Any] = {"arms": ("baseline", "shuffle"), "folds": 3, "variants": 1, "steps": 1}
    return Comparing(
        **{
            "tiles": tiles,
            "stain": BUILT_IN["cd68"],
            "stain_option": "cd68",
            "out": out,
            "recipe": tiny_recipe(width=2),
            "marker_threshold": 0.05,
            **options,
            **changes,
        }
    )
