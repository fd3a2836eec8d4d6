"""What each arm shows, as shards: the tiles' variants, or the tiles themselves without their chromogen."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from augengine.dataset import AugmentRequest, augment
from augengine.errors import SpecError, WorkerError
from augengine.pictures.chromogen import scale_chromogen
from augengine.progress import Watcher
from augengine.spec import NoiseSpec
from augengine_train.experiments.compare.plan import OF_GENERATORS, Arm, Comparing
from augengine_train.experiments.source_copy import write_sources
from augengine_train.unet.arms import Control, write_control
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.online import open_translators
from augengine_train.unet.tiles import find_tiles

_TILES = "tiles-000000.tar"


def write_arms(wanted: Comparing, watcher: Watcher) -> None:
    """Write what is not there yet; all folds and repeats read the same shards.

    Raises:
        WeightsError: There are no generators for this stain.
        WorkerError: Augmenting failed.
    """
    write_sources(wanted.tiles, sources(wanted) / _TILES)
    for arm in wanted.arms:
        if arm != "baseline":
            _write(wanted, arm, watcher)


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


def eps_of(wanted: Comparing) -> float:
    """The eps of the arm ``paper``.

    Raises:
        SpecError: None was given, and none is recommended for the stain.
    """
    eps = wanted.eps if wanted.eps is not None else wanted.stain.recommended_eps
    if eps is None:
        name = wanted.stain.name
        raise SpecError(f"nobody measured an eps for {name}", hint="give --eps; augengine probe finds one")
    return eps


def _write(wanted: Comparing, arm: Arm, watcher: Watcher) -> None:
    folder = arm_folder(wanted, arm)
    watcher.note(f"arm {arm}")
    if arm == "paper":
        _augment(wanted, folder, watcher, eps=eps_of(wanted), weights=wanted.weights, precision="float32", force=True)
    elif arm == "shuffle":
        _augment(wanted, folder, watcher, method="shuffle", marker_threshold=wanted.marker_threshold)
    elif arm == "haematoxylin":
        write_sources(wanted.tiles, folder / _TILES, partial(scale_chromogen, stain=wanted.stain, factor=0.0))
    elif arm != "baseline":
        _write_control(wanted, arm, folder / f"{wanted.stain.name}-000000.tar", watcher)


def _augment(wanted: Comparing, folder: Path, watcher: Watcher, **options: Any) -> None:
    request = AugmentRequest(
        stain=wanted.stain_option,
        source=str(sources(wanted)),
        out=folder,
        variants=wanted.variants,
        seed=wanted.seed,
        mpp=wanted.mpp,
        **options,
    )
    summary = augment(request, watcher)
    if not summary.complete():
        raise WorkerError(f"the arm {folder.name} failed: {summary.failure_lines()[0]}", hint="run it again")


def _write_control(wanted: Comparing, arm: Control, file: Path, watcher: Watcher) -> None:
    if file.is_file():
        return
    tiles = find_tiles([str(sources(wanted))])
    translators = None
    if arm in OF_GENERATORS:
        translators = open_translators(wanted.stain, tiles, wanted.weights, on_note=watcher.note, on_warn=watcher.warn)
    # All reconstructions of a tile are equal: one serves, and the coin that shows it is the same.
    variants = 1 if arm == "reconstruction" else wanted.variants
    noise = NoiseSpec(eps=1.0, seed=wanted.seed)  # these controls draw nothing of the noise but by its seed
    try:
        write_control(arm, tiles, file, stain=wanted.stain, noise=noise, variants=variants, translators=translators)
    finally:
        if translators is not None:
            translators.close()
