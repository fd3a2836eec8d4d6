"""One cell's training: a segmenter on what an arm shows, its best model by validation, ready to look at tiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import torch

from augengine_train.cyclegan.step import PrecisionOption
from augengine_train.loop.rhythm import Rhythm
from augengine_train.unet import Cohort, Fit, Rule, StoredVariants, UnetRecipe, make_training
from augengine_train.unet.fit import open_view
from augengine_train.unet.predict import View
from augengine_train.unet.stored import count_stored

_VALIDATIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What is equal for all trainings of an experiment.

    Attributes:
        recipe: How each segmenter is trained.
        steps: Steps of each training.
        classes: Ids of the foreground.
        precision: Precision of every training on every machine, so that an experiment may go on elsewhere.
    """

    recipe: UnetRecipe
    steps: int
    classes: tuple[int, ...] = (1,)
    precision: PrecisionOption = "float32"


@contextmanager
def trained(plan: TrainingPlan, cohort: Cohort, folder: Path, *, arm: str, seed: int) -> Iterator[View]:
    """Train, or go on with it, and look at tiles with the best model; the training's folder is removed at the end.

    Args:
        plan: How.
        cohort: On what; its training tiles have the arm's variants.
        folder: Folder of the training.
        arm: What the variants are, for the card.
        seed: Root of the training; equal seeds have equal first weights, orders, crops and coins.
    """
    # Small convolutions on shared cores wait for each other: one thread a process is several times faster.
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    variants, _ = count_stored(cohort.train)
    every = max(1, plan.steps // _VALIDATIONS)
    training = make_training(
        Fit(
            cohort=cohort,
            rule=Rule(variants=variants, p=plan.recipe.p, seed=seed, at_most=True),
            variants=StoredVariants(),
            recipe=plan.recipe,
            out=folder,
            classes=plan.classes,
            steps=plan.steps,
            augmented=arm,
            precision=plan.precision,
            rhythm=Rhythm(log=every, checkpoint=every, validate=every),
            quiet=True,
        )
    )
    training.resume()
    training.train()
    yield open_view(folder)
    rmtree(folder, ignore_errors=True)
