"""One cell of the experiment: train a segmenter, choose its best model, measure it on the test patients."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from augengine.draws.philox import derive_key
from augengine_train.experiments.cells import Cell
from augengine_train.experiments.table1.data import find_cohort
from augengine_train.experiments.table1.plan import Plan
from augengine_train.loop.rhythm import Rhythm
from augengine_train.unet import Fit, Rule, StoredVariants, make_training, measure
from augengine_train.unet.stored import count_stored

_VALIDATIONS = 5


@dataclass(frozen=True, slots=True)
class CellRunner:
    """Runs cells; it can be sent to another process.

    Attributes:
        plan: The experiment.
        data: Its tissue.
        out: Its folder.
    """

    plan: Plan
    data: Path
    out: Path

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Train and measure; the training's folder is removed when its numbers are known."""
        # Small convolutions on shared cores wait for each other: one thread a process is several times faster.
        if not torch.cuda.is_available():
            torch.set_num_threads(1)
        plan, cohort = self.plan, find_cohort(self.plan, cell, self.data, self.out)
        folder = self.out / "runs" / "-".join(str(value) for value in cell.values())
        variants, _ = count_stored(cohort.train)
        every = max(1, plan.steps // _VALIDATIONS)
        training = make_training(
            Fit(
                cohort=cohort,
                rule=Rule(variants=variants, p=plan.recipe.p, seed=seed_of(plan, cell), at_most=True),
                variants=StoredVariants(),
                recipe=plan.recipe,
                out=folder,
                steps=plan.steps,
                augmented=cell["arm"],
                precision=plan.precision,
                rhythm=Rhythm(log=every, checkpoint=every, validate=every),
                quiet=True,
            )
        )
        training.resume()
        training.train()
        found = measure(folder, cohort.test).to_json()
        shutil.rmtree(folder, ignore_errors=True)
        return found


def seed_of(plan: Plan, cell: Cell) -> int:
    """Equal for all arms, worlds and fractions of a stain's repeat: they differ by what they are shown alone."""
    return derive_key(plan.seed, f"trainings of {cell['stain']}, repeat {cell['repeat']}") >> 2
