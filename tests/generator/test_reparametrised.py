"""Weights in parts: what a network computes in eval mode with them is what is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from augengine.errors import CheckpointError
from augengine.generator import read_checkpoint
from augengine.generator.reparametrised import fold
from tests.generator.test_load import draw_images, saved, translates_like
from tests.support.foreign_generators import Numbered, draw_weights

WAYS: dict[str, Callable[[nn.Module], object]] = {
    "spectral norm by a hook": nn.utils.spectral_norm,
    "spectral norm by a parametrisation": parametrizations.spectral_norm,
    "weight norm by a hook": nn.utils.weight_norm,
    "weight norm by a parametrisation": parametrizations.weight_norm,
    "weight norm of the whole tensor": lambda module: nn.utils.weight_norm(module, dim=None),  # type: ignore[arg-type]
    "pruning": lambda module: prune.l1_unstructured(module, "weight", 0.3),  # type: ignore[no-untyped-call]
}


def reparametrised(apply: Callable[[nn.Module], object], **options: object) -> nn.Module:
    """A network whose convolutions keep their weights in parts, settled by a few passes in training mode."""
    network = draw_weights(Numbered(**options))  # type: ignore[arg-type]
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            apply(module)
    for _ in range(3):
        network.train()(draw_images())
    for name, tensor in network.named_parameters():
        if name.endswith(("_g", "original0")):
            tensor.data *= 1.5  # no longer the length that the weight had
    return network.eval().requires_grad_(requires_grad=False)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("up", ["transposed", "nearest"])
@pytest.mark.parametrize("way", WAYS)
def test_weights_in_parts_are_folded(way: str, up: str, tmp_path: Path) -> None:
    network = reparametrised(WAYS[way], up=up)
    state = network.state_dict()
    assert "model.1.weight" not in state
    assert translates_like(network, read_checkpoint(saved(state, tmp_path)))


def test_whole_weights_are_passed_through_in_their_order() -> None:
    state = Numbered().state_dict()
    folded = fold(state)
    assert list(folded) == list(state)
    assert all(folded[name] is state[name] for name in state)


def broken(name: str) -> Mapping[str, Tensor]:
    state = dict(reparametrised(nn.utils.spectral_norm).state_dict())
    return state | {name: torch.ones(5)}


@pytest.mark.parametrize("name", ["model.1.weight_u", "model.4.weight_v", "model.7.weight_mask"])
def test_parts_that_do_not_fit_are_refused_with_their_shapes(name: str, tmp_path: Path) -> None:
    whole = name.rpartition("_")[0]
    with pytest.raises(CheckpointError, match=rf"keeps {whole} in parts.*\(5,\)") as caught:
        read_checkpoint(saved(broken(name), tmp_path))
    assert "remove_parametrizations" in caught.value.hint


def test_parts_of_an_unknown_kind_are_refused_by_their_names(tmp_path: Path) -> None:
    network = Numbered()
    parametrizations.orthogonal(network.get_submodule("model.1"))
    with pytest.raises(CheckpointError, match=r"keeps model\.1\.weight in parts"):
        read_checkpoint(saved(network.state_dict(), tmp_path))


def test_parts_of_another_network_in_the_file_do_not_matter(tmp_path: Path) -> None:
    network, other = draw_weights(Numbered()), nn.Sequential(nn.Conv2d(3, 8, 4))
    parametrizations.orthogonal(other[0])
    file = saved({"netG": network.state_dict(), "netD": other.state_dict()}, tmp_path)
    assert translates_like(network, read_checkpoint(file))
