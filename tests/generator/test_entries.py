"""The tensors of one generator are found among others, whatever stands beside them and whatever they are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augengine.errors import CheckpointError
from augengine.generator import generator_from, pick_state, read_checkpoint, read_state
from tests.generator.test_load import prefixed, saved, translates_like
from tests.support.foreign_generators import Numbered, Worded, affine_norm, draw_weights


def test_a_wrong_entry_names_the_generators_found(tmp_path: Path) -> None:
    netG = {"module.netG_A": Numbered().state_dict(), "netD": {"model.0.weight": torch.zeros(8, 3, 4, 4)}}
    file = saved({"state_dict": netG, "epoch": 3}, tmp_path)
    for entry, said in (("netG_B", "no entry 'netG_B'"), ("netD", "no generator in the entry 'netD'")):
        with pytest.raises(CheckpointError, match=said) as caught:
            read_checkpoint(file, entry=entry)
        assert "state_dict.module.netG_A" in caught.value.hint


def test_counters_beside_an_average_are_passed_over(tmp_path: Path) -> None:
    network = draw_weights(Numbered())
    averaged = torch.optim.swa_utils.AveragedModel(network)
    assert "n_averaged" in averaged.state_dict()
    for prefix in ("", "ema."):
        file = saved(prefixed(averaged.state_dict(), prefix), tmp_path)
        assert translates_like(network, read_checkpoint(file))


def test_another_network_in_the_same_names_is_left_out_by_the_entry(tmp_path: Path) -> None:
    network, other = draw_weights(Numbered()), nn.Sequential(nn.Conv2d(3, 8, 4), nn.Conv2d(8, 1, 4))
    flat = prefixed(network.state_dict(), "generator.") | prefixed(other.state_dict(), "discriminator.")
    file = saved({"state_dict": flat, "epoch": 3}, tmp_path)
    with pytest.raises(CheckpointError, match="no place") as caught:
        read_checkpoint(file)
    assert "--entry generator leaves them out" in caught.value.hint
    assert translates_like(network, read_checkpoint(file, entry="generator"))


WORDS = (
    "",
    "a",
    "\N{SUPERSCRIPT TWO}",
    "\N{ARABIC-INDIC DIGIT THREE}",
    "9" * 5000,
    "0",
    "1",
    "5",
    "model",
    "weight",
    "bias",
)
PARTS = (
    "parametrizations.weight.original",
    "weight_g",
    "weight_v",
    "x_orig",
    "x_u",
    "running_mean",
    "..",
    "conv_block",
)


def spoilt(state: Mapping[str, Tensor], random: np.random.Generator) -> dict[str, Tensor]:
    """The same with one name, one tensor or all the names of a part changed."""
    name, other = str(random.choice(list(state))), str(random.choice((*WORDS, *PARTS)))
    parts = name.split(".")
    place = int(random.integers(len(parts)))
    match random.integers(4):
        case 0:
            return {n: tensor for n, tensor in state.items() if n != name}
        case 1:
            return {**state, name: torch.zeros([int(side) for side in random.integers(0, 5, random.integers(5))])}
        case 2:
            return {".".join(other if p == parts[place] else p for p in n.split(".")): t for n, t in state.items()}
        case _:
            changed = ".".join([*parts[:place], other, *parts[place + int(random.integers(2)) :]])
            return {changed if n == name else n: tensor for n, tensor in state.items()}


@pytest.mark.parametrize("seed", range(4))
def test_names_and_shapes_of_any_kind_are_read_or_refused_and_nothing_else(seed: int) -> None:
    random = np.random.default_rng(seed)
    networks = (Numbered(), Numbered(norm=affine_norm), Worded(), Numbered(up="nearest", norm=nn.BatchNorm2d))
    refused = 0
    for number in range(150):
        state: dict[str, Tensor] = dict(networks[number % len(networks)].state_dict())
        for _ in range(1 + number % 3):
            state = spoilt(state, random)
        try:
            reading = read_state(pick_state(state, None, "it"), source="it")
            generator_from(reading.recipe, reading.state, "it")
        except CheckpointError:
            refused += 1
    assert refused > 50
