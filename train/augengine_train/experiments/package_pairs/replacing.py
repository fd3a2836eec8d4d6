"""The package's pairs replaced by others, within what the package may weigh."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from augengine.errors import WeightsError
from augengine.weights.home import SAMPLE_WEIGHTS
from augengine_train.cyclegan.fit import copy_pair
from augengine_train.experiments.package_pairs.plans import REFERENCE

PACKAGE_WEIGHTS = SAMPLE_WEIGHTS.parent
"""Folder of the pairs that come with augengine."""

MAX_BYTES = 24_000_000
"""What all committed weights may weigh; three pairs of width 32 with 6 blocks are 23.7 MB."""


def replace_pairs(stains: Sequence[str], out: Path, weights: Path) -> None:
    """Copy the new pairs over the committed ones.

    Raises:
        WeightsError: All weights together would be too large for the package; nothing is copied.
        TargetError: They cannot be written.
    """
    new = {f"{REFERENCE}-{stain}": out / stain / "weights" / f"{REFERENCE}-{stain}" for stain in stains}
    kept = [
        file for file in weights.rglob("*") if file.is_file() and file.parent not in {weights / name for name in new}
    ]
    size = sum(file.stat().st_size for file in (*kept, *(file for folder in new.values() for file in folder.iterdir())))
    if size > MAX_BYTES:
        raise WeightsError(
            f"the weights would be {size / 1e6:.1f} MB, the package holds {MAX_BYTES / 1e6:.0f}",
            hint="train with fewer blocks or a smaller width",
        )
    for name, folder in new.items():
        copy_pair(folder, weights / name)
        click.echo(f"replaced {weights / name}")
