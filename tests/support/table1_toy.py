"""Table 1 at toy size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augengine_train.experiments.table1.data import Tissue
from augengine_train.experiments.table1.plan import Plan
from tests.support.segmenter_tiles import names, tiny_recipe, write_tiles


def toy(**changes: Any) -> Plan:
    """Two repeats of two stains at 32 px, one training step each."""
    return Plan(
        **{
            "repeats": 2,
            "recipe": tiny_recipe(width=2),
            "steps": 1,
            "variants": 2,
            "train_patients": 2,
            "validation_patients": 1,
            "test_patients": 1,
            "tiles": 1,
            "side": 32,
            "mpp": 0.5,
            "fractions": (50, 100),
            **changes,
        }
    )


def draw(tissue: Tissue, folder: Path) -> None:
    """One shard a patient."""
    for patient in range(tissue.first_patient, tissue.first_patient + tissue.patients):
        keys = names(f"p{patient}_", tissue.tiles)
        if not (folder / f"p{patient}.tar").exists():
            write_tiles(folder, keys, seed=patient, patient=f"p{patient:02d}", shard=f"p{patient}")
