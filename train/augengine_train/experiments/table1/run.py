"""One cell of the experiment: train a segmenter, choose its best model, measure it on the test patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.draws.philox import derive_key
from augengine_train.experiments.cells import Cell
from augengine_train.experiments.one_training import TrainingPlan, trained
from augengine_train.experiments.table1.data import find_cohort
from augengine_train.experiments.table1.plan import Plan
from augengine_train.unet.predict import evaluate


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
        plan, cohort = self.plan, find_cohort(self.plan, cell, self.data, self.out)
        folder = self.out / "runs" / "-".join(str(value) for value in cell.values())
        how = TrainingPlan(recipe=plan.recipe, steps=plan.steps, precision=plan.precision)
        with trained(how, cohort, folder, arm=cell["arm"], seed=seed_of(plan, cell)) as view:
            view.check(cohort.test)
            return evaluate(view, cohort.test).to_json()


def seed_of(plan: Plan, cell: Cell) -> int:
    """Equal for all arms, worlds and fractions of a stain's repeat: they differ by what they are shown alone."""
    return derive_key(plan.seed, f"trainings of {cell['stain']}, repeat {cell['repeat']}") >> 2
