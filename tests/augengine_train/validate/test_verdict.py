"""The verdict at the end of a training."""

from __future__ import annotations

import numpy as np
from torch import nn

from augengine.stains import BUILT_IN
from augengine_train.validate.verdict import judge_networks
from tests.support.pictures import stained


def test_tiles_without_tissue_judge_nothing() -> None:
    blank = np.full((96, 96, 3), 250, np.uint8)
    found = judge_networks(
        nn.Identity(), nn.Identity(), [blank, stained(96, 0), blank, stained(96, 1)], BUILT_IN["cd68"]
    )
    assert found.tiles == 2
    assert found.word == "hardly responds"
