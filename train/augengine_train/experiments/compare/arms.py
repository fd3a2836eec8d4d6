"""What each arm of a comparison shows, as shards that all folds and repeats read."""

from __future__ import annotations

from pathlib import Path

from augengine.progress import Watcher
from augengine_train.experiments.arm_shards import ArmShards
from augengine_train.experiments.compare.plan import Arm, Comparing
from augengine_train.experiments.source_copy import write_sources
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.tiles import find_tiles


def write_arms(wanted: Comparing, watcher: Watcher) -> None:
    """Write what is not there yet; errors as `ArmShards.write`."""
    write_sources(wanted.tiles, sources(wanted) / "tiles-000000.tar")
    for arm in wanted.arms:
        if arm != "baseline":
            arm_shards(wanted).write(arm, arm_folder(wanted, arm), watcher)


def arm_shards(wanted: Comparing) -> ArmShards:
    """What writes them."""
    return ArmShards(
        source=sources(wanted),
        stain=wanted.stain,
        stain_option=wanted.stain_option,
        eps=wanted.eps,
        variants=wanted.variants,
        seed=wanted.seed,
        weights=wanted.weights,
        mpp=wanted.mpp,
        marker_threshold=wanted.marker_threshold,
    )


def sources(wanted: Comparing) -> Path:
    """The folder of the tiles themselves."""
    return wanted.out / "tiles"


def arm_folder(wanted: Comparing, arm: Arm) -> Path:
    """The folder of what an arm shows besides the tiles, or in their place."""
    return wanted.out / "arms" / arm


def shown_tiles(wanted: Comparing, arm: Arm) -> Tiles:
    """All tiles with the variants of an arm; of the arm ``haematoxylin`` the changed tiles themselves.

    Raises:
        SourceError: Shards are missing.
    """
    if arm == "haematoxylin":
        return find_tiles([str(arm_folder(wanted, arm))])
    own = [] if arm == "baseline" else [str(arm_folder(wanted, arm))]
    return find_tiles([str(sources(wanted)), *own])
