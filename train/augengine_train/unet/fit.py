"""From tiles and a rule to a training, and from a finished training to its measures: what every caller shares."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from augengine.errors import SourceError
from augengine.stains import Stain
from augengine_train.cyclegan.step import MixedPrecision, PrecisionOption
from augengine_train.data.decoding import PlaceReader
from augengine_train.loop.rhythm import Rhythm
from augengine_train.unet.cohort import Cohort, Tiles
from augengine_train.unet.foreground import ForegroundMasks, check_masks
from augengine_train.unet.items import Looks, TrainingItems, epochs_of, steps_of
from augengine_train.unet.measures import Measures
from augengine_train.unet.predict import View, evaluate, shown_part
from augengine_train.unet.recipe import UnetRecipe
from augengine_train.unet.run import SegmenterRun, describe_data, load_segmenter
from augengine_train.unet.standard import Standard, measure_standard
from augengine_train.unet.stored import check_stored
from augengine_train.unet.training import SegmenterTraining
from augengine_train.unet.variants import Rule, StoredVariants, Variants

_MAX_WORKERS = 4
_MIN_STEPS_BETWEEN = 20  # a set of few tiles is not validated after each handful of steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What is to be fitted, on what, and where to.

    Attributes:
        cohort: Its tiles.
        rule: Which variants are shown.
        variants: Where their images come from.
        recipe: How it trains.
        out: Folder of the training.
        classes: Ids of the foreground.
        stain: Stain whose vectors the stain jitter takes; None without jitter.
        steps: Instead of the recipe's epochs.
        standard: Mean and deviation that the input is standardised with; None measures them.
        augmented: What the variants are, for the card.
        precision: Precision of the convolutions.
        rhythm: How often what happens; None validates and saves once an epoch, or every 20 steps.
        quiet: Show no progress.
    """

    cohort: Cohort
    rule: Rule
    variants: Variants
    recipe: UnetRecipe
    out: Path
    classes: tuple[int, ...] = (1,)
    stain: Stain | None = None
    steps: int | None = None
    standard: Standard | None = None
    augmented: str = ""
    precision: PrecisionOption = "auto"
    rhythm: Rhythm | None = None
    quiet: bool = False


def make_training(fit: Fit) -> SegmenterTraining:
    """Check everything that can be checked before hours of training, and make it.

    Raises:
        SourceError: Tiles too small, a split without foreground, masks of another size, too few variants.
        SpecError: Values out of range.
    """
    tiles, recipe = fit.cohort.train, fit.recipe
    fit.cohort.check_sizes(recipe)
    steps = steps_of(recipe, len(tiles), fit.steps)
    if isinstance(fit.variants, StoredVariants):
        check_stored(tiles, fit.rule, epochs_of(recipe, len(tiles), steps))
    masks = ForegroundMasks(fit.classes, PlaceReader())
    check_masks(tiles, masks)
    for split, others in (("validation", fit.cohort.validation), ("test", fit.cohort.test)):
        if others:
            check_masks(others, masks, split, lambda mask: shown_part(mask, recipe))
    standard = fit.standard or measure_standard(tiles)
    looks = Looks(standard=standard, classes=fit.classes, stain=fit.stain if recipe.stain_jitter else None)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    items = TrainingItems(tiles, fit.variants, fit.rule, recipe, looks, steps)
    epoch = max(_MIN_STEPS_BETWEEN, len(tiles) // recipe.batch)
    return SegmenterTraining(
        run=_describe(fit, steps, looks, device),
        items=items,
        validation=fit.cohort.validation,
        out=fit.out,
        device=device,
        rhythm=fit.rhythm or Rhythm(log=min(50, epoch), checkpoint=epoch, validate=epoch),
        workers=_count_workers(device) if isinstance(fit.variants, StoredVariants) else 0,
        quiet=fit.quiet,
    )


def _describe(fit: Fit, steps: int, looks: Looks, device: torch.device) -> SegmenterRun:
    shown = {"variants": fit.rule.variants, "p": fit.rule.p, "made": fit.augmented}
    epochs = epochs_of(fit.recipe, len(fit.cohort.train), steps)
    stored = fit.rule.most(epochs) if isinstance(fit.variants, StoredVariants) else 0
    return SegmenterRun(
        recipe=fit.recipe,
        steps=steps,
        seed=fit.rule.seed,
        classes=fit.classes,
        standard=looks.standard,
        precision=MixedPrecision.choose(fit.precision, device).name,
        data=describe_data(fit.cohort, shown, variants=stored, jittered=looks.stain),
    )


def _count_workers(device: torch.device) -> int:
    """Workers that load samples: none on a CPU, which the network needs more than the samples do."""
    return min(_MAX_WORKERS, os.cpu_count() or 1) if device.type == "cuda" else 0


def measure(out: Path, tiles: Tiles) -> Measures:
    """The best model of a finished training on other tiles.

    Raises:
        CheckpointError: There is none.
        SourceError: No tiles, smaller ones than its crop, or none that shows any foreground.
    """
    if not tiles:
        raise SourceError("there are no tiles to measure on", hint="name shards, or patients whose split is test")
    view = open_view(out)
    view.check(tiles)
    return evaluate(view, tiles)


def open_view(out: Path) -> View:
    """The best model of a finished training, to look at tiles with.

    Raises:
        CheckpointError: There is none.
    """
    network, card = load_segmenter(out)
    network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return View(network, card.run.recipe, Looks(standard=card.run.standard, classes=card.run.classes))
