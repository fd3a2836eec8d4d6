"""What a pair keeps of crowded markers, by networks whose behaviour is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from augengine.stains import BUILT_IN
from augengine_train.cyclegan.crowded import crowded_dice
from augengine_train.phantom import Correlation, Field, FieldSpec, draw_field

STAIN = BUILT_IN["cd34"]


class White(nn.Module):
    """Gives white, whatever it sees."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.ones_like(image)


@pytest.fixture(scope="module")
def fields() -> list[Field]:
    """A crowded field with a glomerulus, and the same anatomy without the crowd."""
    crowd = Correlation(glomeruli=4.0, sclerotic=4.0)
    spec = FieldSpec(stain="cd34", side=160, mpp=2.0, anatomy_seed=3, marker_seed=3, correlation=crowd)
    return [draw_field(spec), draw_field(replace(spec, correlation=Correlation()))]


def test_a_copy_keeps_all_and_white_keeps_none(fields: list[Field]) -> None:
    assert crowded_dice(nn.Identity(), nn.Identity(), fields, STAIN) == 1
    assert crowded_dice(nn.Identity(), White(), fields, STAIN) == 0


def test_without_a_crowd_there_is_nothing_to_say(fields: list[Field]) -> None:
    assert crowded_dice(nn.Identity(), nn.Identity(), fields[1:], STAIN) is None
