"""The trial of int8 in single layers: rounded as such arithmetic rounds, and spent within the budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from augengine.generator import Generator, Recipe
from benchmarks.int8_engine import Graphs, mildest_first
from benchmarks.int8_layers import Trial, convolutions, find_out, round_input, round_weights, with_int8
from benchmarks.speed.material import Material, Size
from train.networks import init_normal
from train.pairs import TorchPair

SIDE = 32


@pytest.fixture(scope="module")
def pair() -> TorchPair:
    random = torch.Generator().manual_seed(0)
    networks = [Generator(Recipe.zhu2017(width=4, blocks=1)).eval() for _ in range(2)]
    for network in networks:
        init_normal(network, 0.2, random)
    return TorchPair(to_reference=networks[0], from_reference=networks[1])


@pytest.fixture(scope="module")
def trial(pair: TorchPair) -> Trial:
    return Trial(pair, tiles())


def tiles() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).uniform(-1, 1, (2, 3, SIDE, SIDE)).astype(np.float32)


def test_an_input_takes_256_levels_and_keeps_its_zero() -> None:
    x = torch.linspace(-0.3, 0.9, 5001)
    rounded = round_input(x, -0.3, 0.9)
    assert len(np.unique(rounded.numpy())) <= 256
    assert (rounded - x).abs().max() <= 1.2 / 255 / 2 * 1.01
    assert round_input(torch.zeros(1), -0.3, 0.9).item() == 0
    assert round_input(torch.tensor([5.0]), -0.3, 0.9).item() <= 0.9 + 1.2 / 255


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(5, 3, 3)])
def test_weights_take_255_levels_a_channel(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    rounded = round_weights(layer)
    by_channel = rounded.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else rounded
    own = layer.weight.detach().transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight.detach()
    for channel, before in zip(by_channel, own, strict=True):
        levels = channel / (before.abs().max() / 127)
        assert (levels - levels.round()).abs().max() < 1e-3
        assert levels.abs().max() <= 127.001


def test_only_the_named_layers_change(pair: TorchPair, trial: Trial) -> None:
    name = list(trial.shares)[1]
    ranges = dict.fromkeys(trial.shares, (-3.0, 3.0))
    changed, same = convolutions(with_int8(pair.to_reference, [name], ranges)), convolutions(pair.to_reference)
    assert [n for n in same if not torch.equal(same[n].weight, changed[n].weight)] == [name]


def test_shares_of_the_multiplications_are_those_of_the_kernels_and_their_places(trial: Trial) -> None:
    products = [
        3 * 4 * 49 * SIDE**2,
        4 * 8 * 9 * (SIDE // 2) ** 2,
        8 * 16 * 9 * (SIDE // 4) ** 2,
        *[16 * 16 * 9 * (SIDE // 4) ** 2] * 2,
        16 * 8 * 9 * (SIDE // 4) ** 2,
        8 * 4 * 9 * (SIDE // 2) ** 2,
        4 * 3 * 49 * SIDE**2,
    ]
    assert list(trial.shares.values()) == pytest.approx([each / sum(products) for each in products])


def test_no_layer_costs_nothing_and_all_cost_more_than_one(trial: Trial) -> None:
    first = next(iter(trial.shares))
    assert trial.cost([]).error_chain == 0
    assert 0 < trial.cost([first]).error_chain < trial.cost(list(trial.shares)).error_chain


def test_what_is_spent_stays_within_the_budget(pair: TorchPair, trial: Trial) -> None:
    costs = {name: trial.cost([name]).equivalent_sigma for name in trial.shares}
    most = sorted(costs.values())[2]
    spent = list(trial.spend(costs, most))
    assert spent
    assert all(sigma <= most for _, sigma in spent)
    assert list(trial.spend(costs, 0.0)) == []
    found = find_out(pair, tiles())
    assert set(found["within_budget"]) <= set(found["layers"])
    assert 1 <= found["most_gain_over_bfloat16"] <= 2


def test_openvino_rounds_as_the_trial_does(tmp_path: Path) -> None:
    size = Size(side=SIDE, width=4, blocks=1, images=2)
    material = Material(size=size, folder=tmp_path, threads=1)
    there, back = material.generators
    # The stored form holds weights of 16 bits.
    both = (each.half().float() for each in (there, back))
    pair = TorchPair(to_reference=next(both), from_reference=next(both))
    graphs = Graphs(material.onnx(), pair, tiles())
    names = mildest_first(graphs.trial)
    assert len(names) == 2
    with_names, without = (graphs.compile(each, "float32").to_reference for each in (names, []))
    y, plain = np.empty_like(tiles()), np.empty_like(tiles())
    with_names(tiles(), y)
    without(tiles(), plain)
    with torch.inference_mode():
        expected = with_int8(pair.to_reference, names, graphs.trial.ranges[0])(torch.from_numpy(tiles())).numpy()
    error = np.abs(plain - expected).mean()
    assert error > 0
    assert np.abs(y - expected).mean() < 0.3 * error
