"""A whole comparison, or what is left of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from augengine.digests import json_digest
from augengine.json_values import to_json
from augengine.progress import Watcher
from augengine_train.experiments.arm_shards import OF_GENERATORS
from augengine_train.experiments.cells import CellLog, run_cells
from augengine_train.experiments.compare.analysis import analyse
from augengine_train.experiments.compare.arms import arm_shards, write_arms
from augengine_train.experiments.compare.cell import CellRunner
from augengine_train.experiments.compare.folds import Folds, deal_folds, patients_showing
from augengine_train.experiments.compare.plan import Comparing
from augengine_train.experiments.compare.report import write_report
from augengine_train.experiments.contents import digest_tiles
from augengine_train.experiments.folder_claim import claim
from augengine_train.unet.online import digest_pair


def run(wanted: Comparing, watcher: Watcher, *, workers: int = 1) -> list[str]:
    """Write what the arms show, train and measure what was not yet, and say what follows; the lines to print.

    Raises:
        PlanMismatch: The folder holds another comparison.
        WeightsError: There are no generators for this stain.
        AugengineError: Tiles or options that do not fit; finished cells stay.
    """
    folds = deal_folds(wanted.tiles, wanted.folds, wanted.seed, patients_showing(wanted.tiles, wanted.classes))
    wanted = replace(wanted, marker_threshold=wanted.rule().threshold)
    decided = _decides(wanted, folds)
    claim(decided, wanted.out / "plan.json", "comparison")
    write_arms(wanted, watcher)
    log = CellLog(wanted.out / "cells.jsonl")
    results = run_cells(wanted.cells(), log, CellRunner(wanted, folds), watcher.note, workers=workers)
    return write_report(decided, results, analyse(wanted, results), wanted.out)


def _decides(wanted: Comparing, folds: Folds) -> dict[str, Any]:
    """What decides the numbers of every cell, as plain json values."""
    with_pair = any(arm in OF_GENERATORS for arm in wanted.arms)
    stain = {name: getattr(wanted.stain, name) for name in ("name", "reference", "chromogen", "counterstain")}
    simple = ("arms", "repeats", "variants", "steps", "seed", "classes", "mpp", "marker_threshold", "precision")
    return {
        "tiles": digest_tiles(wanted.tiles),
        "patients": json_digest([tile.patient for tile in wanted.tiles]),
        "stain": stain,
        "generators": dict(digest_pair(wanted.stain, wanted.weights)) if with_pair else {},
        "eps": arm_shards(wanted).noise_bound if "paper" in wanted.arms else None,
        "recipe": to_json(wanted.recipe),
        **{name: to_json(getattr(wanted, name)) for name in simple},
        "folds": to_json(folds),
    }
