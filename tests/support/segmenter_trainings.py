"""Small trainings of segmenters on drawn glomeruli, and what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augengine_train.loop.checkpoints import Checkpoints
from augengine_train.loop.rhythm import Rhythm
from augengine_train.unet import Cohort, Fit, Rule, StoredVariants, find_tiles, make_training
from augengine_train.unet.run import WEIGHTS
from tests.support.segmenter_tiles import names, tiny_recipe, write_tiles


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Drawn glomeruli of three patients."""
    folder = tmp_path_factory.mktemp("cohort")
    splits = {}
    for number, (split, count) in enumerate((("train", 12), ("validation", 4), ("test", 6))):
        write_tiles(folder / split, names(split, count), seed=100 * number, patient=f"p{number}")
        splits[split] = find_tiles([str(folder / split)])
    return Cohort(**splits)


def fit(cohort: Cohort, out: Path, *, steps: int = 60, seed: int = 0, rhythm: int = 20, **recipe: Any) -> Fit:
    """A training without variants, of width 8 and depth 3, logged and measured every ``rhythm`` steps."""
    shape = tiny_recipe(width=8, depth=3, batch=4, **recipe)
    rule = Rule(variants=0, p=0.5, seed=seed)
    often = Rhythm(log=rhythm, checkpoint=rhythm, validate=rhythm)
    return Fit(
        cohort=cohort,
        rule=rule,
        variants=StoredVariants(),
        recipe=shape,
        out=out,
        steps=steps,
        rhythm=often,
        quiet=True,
    )


@pytest.fixture(scope="module")
def trained(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of 60 steps."""
    out = tmp_path_factory.mktemp("trained")
    make_training(fit(cohort, out)).train()
    return out


def weights(out: Path) -> bytes:
    """The file of weights of a training's last checkpoint."""
    folder = Checkpoints(out / "checkpoints").find("step")
    assert folder is not None
    return (folder / f"{WEIGHTS}.safetensors").read_bytes()
