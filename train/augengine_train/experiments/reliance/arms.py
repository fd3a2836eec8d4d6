"""What each arm of a unit shows, as shards."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from augengine.pictures.chromogen import scale_chromogen
from augengine.progress import Watcher
from augengine.stains import find_stain
from augengine_train.experiments.arm_shards import ArmShards
from augengine_train.experiments.reliance.plan import Arm, Plan
from augengine_train.experiments.reliance.tissue import folder_of, write_oracle
from augengine_train.experiments.source_copy import write_sources
from augengine_train.unet.cohort import Cohort, Tiles
from augengine_train.unet.tiles import find_tiles


def write_arms(plan: Plan, out: Path, weights: Path, watcher: Watcher) -> None:
    """Write what is not there yet; errors as `ArmShards.write`."""
    for unit in plan.numbers:
        watcher.note(f"arms of unit {unit}")
        for arm in plan.arms:
            _write(plan, unit, arm, out, weights, watcher)


def _write(plan: Plan, unit: int, arm: Arm, out: Path, weights: Path, watcher: Watcher) -> None:
    folder = arm_folder(out, unit, arm)
    if arm == "baseline":
        return
    if arm == "oracle-same" or arm == "oracle-even":
        write_oracle(plan, unit, arm, folder / f"{plan.stain}-000000.tar")
        return
    if arm == "haematoxylin":
        validation = find_tiles([str(folder_of(out, unit, "validation"))])
        bare = partial(scale_chromogen, stain=find_stain(plan.stain), factor=0.0)
        write_sources(validation, folder / "validation" / "tiles-000000.tar", bare)
        folder = folder / "train"
    shards = ArmShards(
        source=folder_of(out, unit, "train"),
        stain=find_stain(plan.stain),
        stain_option=plan.stain,
        eps=plan.eps,
        variants=plan.variants,
        seed=plan.seed,
        weights=weights,
        mpp=plan.mpp,
    )
    shards.write(arm, folder, watcher)


def arm_folder(out: Path, unit: int, arm: Arm) -> Path:
    """The folder of what an arm shows besides the tiles, or in their place."""
    return out / "arms" / f"unit-{unit}" / arm


def cohort_of(out: Path, unit: int, arm: Arm) -> Cohort:
    """What an arm's segmenter learns from and is chosen by; tests are not in it.

    Raises:
        SourceError: Shards are missing.
    """
    own = arm_folder(out, unit, arm)
    if arm == "haematoxylin":
        return Cohort(train=find_tiles([str(own / "train")]), validation=find_tiles([str(own / "validation")]))
    shards: list[str] = [str(folder_of(out, unit, "train"))]
    if arm != "baseline":
        shards.append(str(own))
    return Cohort(train=find_tiles(shards), validation=_tiles(out, unit))


def _tiles(out: Path, unit: int) -> Tiles:
    return find_tiles([str(folder_of(out, unit, "validation"))])
