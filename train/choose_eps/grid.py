"""The search: shards for each eps, trainings on them, their validation, and what follows from it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augengine.dataset import AugmentRequest, augment
from augengine.errors import PlanMismatch, SourceError, SpecError, TargetError, WorkerError
from augengine.progress import Watcher
from augengine.spec import digest
from augengine.stains import Stain
from train.cells import Cell, CellLog, Result, run_cells
from train.choose_eps.tenth import Unit, draw_share, write_sources
from train.unet import Cohort, Fit, Rule, StoredVariants, UnetRecipe, find_tiles, load_segmenter, make_training

GRID = (0.01, 0.05, 0.1, 0.3, 0.5, 0.9)
"""The paper's."""

UNAUGMENTED = 0.0
"""Stands for no augmentation among the cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to try, on what.

    Attributes:
        cohort: Training tiles, a share of which is used, and validation tiles, all of which are.
        stain: The stain, with its vectors.
        stain_option: As the user named it: a name or a file.
        out: Folder of shards, trainings and results.
        recipe: Of every training.
        grid: The eps to try.
        repeats: Trainings of each.
        variants: Written of each tile, each as likely to be shown.
        share, unit: Of the training data, see `draw_share`.
        seed: Of the share, the noise, and, counted up, the trainings.
        steps: Of each training, instead of the recipe's epochs.
        classes: Ids of the foreground.
        weights: Folder of generators searched first.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the trainings say.

    Attributes:
        stain: Its name.
        f1: eps -> F1 of each repetition; 0 stands for no augmentation.
        tiles: Keys that were trained on: leave them out of later experiments.
    """

    stain: str
    f1: Mapping[float, tuple[float, ...]]
    tiles: tuple[str, ...]

    @property
    def recommended(self) -> float:
        """The eps with the highest mean; the smaller of equals."""
        return max((eps for eps in self.f1 if eps != UNAUGMENTED), key=lambda eps: (self.mean(eps), -eps))

    def mean(self, eps: float) -> float:
        """Mean F1 over the repetitions."""
        return statistics.fmean(self.f1[eps])

    def deviation(self, eps: float) -> float:
        """Standard deviation over the repetitions; 0 for a single one."""
        return statistics.stdev(self.f1[eps]) if len(self.f1[eps]) > 1 else 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return {
            "stain": self.stain,
            "recommended_eps": self.recommended,
            "measure": "validation F1 by pixel of the best model",
            "f1": {f"{eps:g}": list(values) for eps, values in self.f1.items()},
            "mean": {f"{eps:g}": self.mean(eps) for eps in self.f1},
            "deviation": {f"{eps:g}": self.deviation(eps) for eps in self.f1},
            "tiles": list(self.tiles),
        }


def search(wanted: Search, watcher: Watcher) -> Choice:
    """Run every cell of the grid that was not run before, and choose.

    Raises:
        PlanMismatch: The folder holds another search.
        AugengineError: Tiles, generators or options that do not fit; finished cells stay.
    """
    tiles = draw_share(wanted.cohort.train, wanted.share, wanted.unit, wanted.seed)
    write_sources(tiles, wanted.out / "tiles" / "tiles-000000.tar")
    _claim(wanted, [tile.key for tile in tiles])
    cells = [{"eps": eps, "repeat": repeat} for eps in (UNAUGMENTED, *wanted.grid) for repeat in range(wanted.repeats)]
    log = CellLog(wanted.out / "cells.jsonl")
    results = run_cells(cells, log, lambda cell: _run(wanted, cell, watcher), watcher.note)
    return Choice(stain=wanted.stain.name, f1=_by_eps(results), tiles=tuple(tile.key for tile in tiles))


def _by_eps(results: Sequence[Result]) -> dict[float, tuple[float, ...]]:
    found: dict[float, list[float]] = {}
    for result in results:
        found.setdefault(result["eps"], []).append(result["f1"])
    return {eps: tuple(values) for eps, values in found.items()}


def _claim(wanted: Search, tiles: Sequence[str]) -> None:
    """Note what decides the cells, or refuse to mix them with those of another search."""
    decides = {
        "stain": wanted.stain.name,
        "recipe": wanted.recipe.to_json(),
        "variants": wanted.variants,
        "seed": wanted.seed,
        "steps": wanted.steps,
        "classes": list(wanted.classes),
        "tiles": digest(list(tiles)),
        "validation": digest([tile.key for tile in wanted.cohort.validation]),
    }
    file = wanted.out / "search.json"
    try:
        before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else decides
        file.write_text(json.dumps(decides if not file.exists() else before, indent=2) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TargetError(f"{file} cannot be used: {error}", hint="choose another --out") from error
    if changed := [name for name in decides if before.get(name) != decides[name]]:
        was, now = (each.get(changed[0]) for each in (before, decides))
        raise PlanMismatch(
            f"{wanted.out} holds a search with another {changed[0]}: it was {was}, now it is {now}",
            hint="choose another --out, or the options of then",
        )


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
        )
    )
    training.resume()
    training.train()
    _, card = load_segmenter(out)
    return {"f1": card.f1, "step": card.step}


def _augment(wanted: Search, eps: float, watcher: Watcher) -> Path:
    out = wanted.out / "shards" / f"eps-{eps:g}"
    request = AugmentRequest(
        stain=wanted.stain_option,
        source=str(wanted.out / "tiles"),
        out=out,
        eps=eps,
        variants=wanted.variants,
        seed=wanted.seed,
        weights=wanted.weights,
        mpp=wanted.mpp,
    )
    summary = augment(request, watcher)
    if not summary.complete():
        raise WorkerError(f"augmenting with eps {eps:g} failed: {summary.failure_lines()[0]}", hint="run it again")
    return out
