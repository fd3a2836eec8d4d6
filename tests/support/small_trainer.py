"""A trainer of tiny generators on drawn crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from torch import nn

from augengine_train.cyclegan.checkpoint import TrainingRun
from augengine_train.cyclegan.trainer import Judgement, Trainer
from augengine_train.loop.checkpoints import Checkpoints
from augengine_train.loop.rhythm import Rhythm
from tests.support.drawn_tissue import DrawnCrops, tiny_recipe

OFTEN = Rhythm(log=1, checkpoint=4, validate=2)


def make_run(steps: int, **changes: Any) -> TrainingRun:
    fields: dict[str, Any] = {
        "recipe": tiny_recipe(),
        "seed": 3,
        "precision": "float32",
        "processes": 1,
        "data": {"drawn": 1},
    }
    return TrainingRun(reference="pas", stain="cd68", mpp=0.5, steps=steps, **(fields | changes))


def make_trainer(
    out: Path, run: TrainingRun, *, rhythm: Rhythm = OFTEN, judge: Any = None, workers: int = 0, **crops: Any
) -> Trainer:
    drawn = DrawnCrops(run.steps * run.recipe.batch, side=run.recipe.crop, **crops)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    options: dict[str, Any] = {"judge": judge, "rhythm": rhythm, "workers": workers, "quiet": True}
    return Trainer(run=run, crops=drawn, out=out, accelerator=accelerator, **options)


def judge_by_step(_to_reference: nn.Module, _from_reference: nn.Module, step: int) -> Judgement:
    """Step 4 is the best, whatever the networks are."""
    score = float(abs(step - 4))
    return Judgement(score=score, numbers={"cycle": score}, grid_hwc=np.zeros((8, 8, 3), dtype=np.uint8))


def find(out: Path, kind: Any = "step") -> Path:
    folder = Checkpoints(out / "checkpoints").find(kind)
    assert folder is not None
    return folder
