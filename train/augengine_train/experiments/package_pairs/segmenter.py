"""A segmenter of PAS glomeruli: the judge of whether A' still shows one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from augengine_train.experiments.package_pairs.annotated_pas import GLOMERULUS, Outlined, write_annotated
from augengine_train.experiments.package_pairs.plans import MorePas
from augengine_train.loop.rhythm import Rhythm
from augengine_train.unet import Cohort, Fit, Rule, StoredVariants, UnetRecipe, find_tiles, make_training
from augengine_train.unet.recipe import small

SHARDS = "shards"
"""Folder of its shards, beside that of the training."""

_SHRINK, _CROP = 4, 128
_VALIDATIONS = 15


def recipe() -> UnetRecipe:
    """Whole glomeruli in few pixels: tiles of 512 px shrunk to 128."""
    return replace(small(), name="pas-glomeruli", shrink=_SHRINK, crop=_CROP, stain_jitter=False)


def fit_segmenter(more: MorePas, data: Path, out: Path, *, steps: int, outlined: Outlined | None = None) -> Path:
    """Train a segmenter on the annotated pictures of PAS in the PAS field's colours, or go on with it.

    Args:
        more: The pictures, which have masks.
        data: The data folder.
        out: Folder of its shards and of the training.
        steps: Training steps.
        outlined: More annotated pictures to train on.

    Returns:
        The training's folder.

    Raises:
        SourceError: Masks are missing, or none is left out.
    """
    every = max(1, steps // _VALIDATIONS)
    shards = write_annotated(more, data, out / SHARDS, outlined)
    train, validation, test, _ = (find_tiles([str(shard)]) for shard in shards)
    training = make_training(
        Fit(
            cohort=Cohort(train=train, validation=validation, test=test),
            rule=Rule(variants=0, p=0.0, seed=0),
            variants=StoredVariants(),
            recipe=recipe(),
            out=out / "run",
            classes=(GLOMERULUS,),
            steps=steps,
            precision="float32",
            rhythm=Rhythm(log=every, checkpoint=every, validate=every),
        )
    )
    training.resume()
    training.train()
    return out / "run"
