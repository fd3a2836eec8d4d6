"""A training on a GPU: channels last and mixed precision, and going on after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from augengine_train.cyclegan.checkpoint import TrainingRun
from augengine_train.cyclegan.step import PrecisionOption
from augengine_train.cyclegan.trainer import Trainer
from augengine_train.loop.rhythm import Rhythm
from tests.support.drawn_tissue import DrawnCrops, tiny_recipe

pytestmark = pytest.mark.gpu


def make(out: Path, precision: PrecisionOption, *, breaks_at: int | None = None) -> Trainer:
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")
    run = TrainingRun(
        reference="pas",
        stain="cd68",
        mpp=0.5,
        recipe=tiny_recipe(),
        steps=8,
        seed=3,
        precision=precision,
        processes=1,
        data={"drawn": 1},
    )
    crops = DrawnCrops(run.steps, side=run.recipe.crop, breaks_at=breaks_at)
    accelerator = Accelerator(mixed_precision="no")
    return Trainer(
        run=run, crops=crops, out=out, accelerator=accelerator, rhythm=Rhythm(log=1, checkpoint=4), quiet=True
    )


def losses(out: Path) -> np.ndarray:
    return np.genfromtxt(out / "losses.csv", delimiter=",", skip_header=1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_it_trains_and_goes_on_after_a_stop(precision: PrecisionOption, tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", precision)
    assert whole.gan.device.type == "cuda"
    weight = next(whole.gan.generators.parameters())
    assert weight.is_contiguous(memory_format=torch.channels_last)
    whole.train()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "parts", precision, breaks_at=6).train()
    rest = make(tmp_path / "parts", precision)
    assert rest.resume() == 4
    rest.train()
    # The backward pass of reflection padding adds in no fixed order on a GPU: equal to rounding, not to the bit.
    assert np.isfinite(losses(tmp_path / "whole")).all()
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=0.05, abs=1e-3)
