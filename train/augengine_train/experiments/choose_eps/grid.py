"""The search: shards for each eps, trainings on them, their validation, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from augengine.dataset import AugmentRequest, augment
from augengine.errors import SourceError, SpecError, WorkerError
from augengine.json_values import to_json
from augengine.progress import Watcher
from augengine.stains import Stain
from augengine_train.experiments.cells import Cell, CellLog, Result, run_cells
from augengine_train.experiments.choose_eps.choice import UNAUGMENTED, Choice
from augengine_train.experiments.choose_eps.tuning_share import Unit, draw_share
from augengine_train.experiments.contents import digest_tiles
from augengine_train.experiments.folder_claim import claim
from augengine_train.experiments.source_copy import write_sources
from augengine_train.unet import (
    Cohort,
    Fit,
    Rule,
    StoredVariants,
    UnetRecipe,
    find_tiles,
    load_segmenter,
    make_training,
)
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.online import digest_pair

GRID = (0.01, 0.05, 0.1, 0.3, 0.5, 0.9)
"""The eps that the paper tried."""

PRECISION: Final = "float32"
"""Precision of engines and trainings on every machine, so that a search may go on elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to try, on what.

    Attributes:
        cohort: Training tiles, a share of which is used, and validation tiles, all of which are.
        stain: The stain, with its vectors.
        stain_option: The stain's name or file, as the user gave it.
        out: Folder of shards, trainings and results.
        recipe: The recipe of every training.
        grid: The eps to try.
        repeats: Trainings per eps.
        variants: Variants written per tile, each as likely to be shown.
        share, unit: Share of the training data that is used, in (0, 1], and what it is counted in; see `draw_share`.
        seed: Random seed of the share and the noise; the trainings count up from it.
        steps: Steps of each training, instead of the recipe's epochs.
        classes: Ids of the foreground.
        weights: Folder of generators, searched alone.
        mpp: um/px of tiles whose json says none.
    """

    cohort: Cohort
    stain: Stain
    stain_option: str
    out: Path
    recipe: UnetRecipe
    grid: tuple[float, ...] = GRID
    repeats: int = 3
    variants: int = 4
    share: float = 0.1
    unit: Unit = "tile"
    seed: int = 0
    steps: int | None = None
    classes: tuple[int, ...] = (1,)
    weights: Path | None = None
    mpp: float | None = None

    def __post_init__(self) -> None:
        if not self.grid or not all(0 < eps <= 2 for eps in self.grid) or len(set(self.grid)) < len(self.grid):
            raise SpecError(f"the grid holds different eps in (0, 2], got {self.grid}", hint="leave out --grid")
        if self.repeats < 1:
            raise SpecError(f"each eps is tried at least once, got {self.repeats}")
        if not self.cohort.validation:
            raise SourceError("eps is chosen by validation, and there are no validation tiles")


def search(wanted: Search, watcher: Watcher) -> Choice:
    """Run every cell of the grid that was not run before, and choose.

    Raises:
        PlanMismatch: The folder holds another search.
        AugengineError: Tiles, generators or options that do not fit; finished cells stay.
    """
    tiles = draw_share(wanted.cohort.train, wanted.share, wanted.unit, wanted.seed)
    claim(_decides(wanted, tiles), wanted.out / "search.json", "search")
    write_sources(tiles, wanted.out / "tiles" / "tiles-000000.tar")
    cells = [{"eps": eps, "repeat": repeat} for eps in (UNAUGMENTED, *wanted.grid) for repeat in range(wanted.repeats)]
    log = CellLog(wanted.out / "cells.jsonl")
    results = run_cells(cells, log, lambda cell: _run(wanted, cell, watcher), watcher.note)
    return Choice(
        stain=wanted.stain.name,
        f1=_by_eps(results),
        tiles=tuple(tile.key for tile in tiles),
        realistic_eps=wanted.stain.realistic_eps,
    )


def _by_eps(results: Sequence[Result]) -> dict[float, tuple[float, ...]]:
    found: dict[float, list[float]] = {}
    for result in results:
        found.setdefault(result["eps"], []).append(result["f1"])
    return {eps: tuple(values) for eps, values in found.items()}


def _decides(wanted: Search, tiles: Tiles) -> dict[str, Any]:
    """What decides the numbers of every cell, as plain json values."""
    stain = {name: getattr(wanted.stain, name) for name in ("name", "reference", "chromogen", "counterstain")}
    return {
        "stain": stain,
        "generators": digest_pair(wanted.stain, wanted.weights),
        "recipe": to_json(wanted.recipe),
        "variants": wanted.variants,
        "seed": wanted.seed,
        "steps": wanted.steps,
        "classes": wanted.classes,
        "mpp": wanted.mpp,
        "precision": PRECISION,
        "tiles": digest_tiles(tiles),
        "validation": digest_tiles(wanted.cohort.validation),
    }


def _run(wanted: Search, cell: Cell, watcher: Watcher) -> dict[str, Any]:
    eps, repeat = float(cell["eps"]), int(cell["repeat"])
    shards = [str(wanted.out / "tiles")]
    if eps != UNAUGMENTED:
        shards.append(str(_augment(wanted, eps, watcher)))
    out = wanted.out / "runs" / f"eps-{eps:g}-{repeat}"
    # Equal seeds for equal repetitions: they share weights, order and augmentations, and differ by eps alone.
    rule = Rule(variants=wanted.variants if eps != UNAUGMENTED else 0, p=wanted.recipe.p, seed=wanted.seed + 1 + repeat)
    training = make_training(
        Fit(
            cohort=replace(wanted.cohort, train=find_tiles(shards), test=()),
            rule=rule,
            variants=StoredVariants(),
            recipe=wanted.recipe,
            out=out,
            classes=wanted.classes,
            stain=wanted.stain,
            steps=wanted.steps,
            augmented=f"eps {eps:g}" if eps else "",
            precision=PRECISION,
        )
    )
    training.resume()
    training.train()
    _, card = load_segmenter(out)
    return {"f1": card.f1, "step": card.step}


def _augment(wanted: Search, eps: float, watcher: Watcher) -> Path:
    out = wanted.out / "shards" / f"eps-{eps:g}"
    request = AugmentRequest(
        force=True,  # what the pair does is what is measured here
        stain=wanted.stain_option,
        source=str(wanted.out / "tiles"),
        out=out,
        eps=eps,
        variants=wanted.variants,
        seed=wanted.seed,
        weights=wanted.weights,
        mpp=wanted.mpp,
        precision=PRECISION,
    )
    summary = augment(request, watcher)
    if not summary.complete():
        raise WorkerError(f"augmenting with eps {eps:g} failed: {summary.failure_lines()[0]}", hint="run it again")
    return out
