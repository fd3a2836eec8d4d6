"""The closed list of readings: each is a network that somebody could have written, and one of them is his."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augengine.generator import MAX_READINGS, Candidate, Reading, Said, candidates, read_checkpoint
from tests.generator.test_load import draw_images, saved
from tests.support.foreign_generators import Numbered, Residual, affine_norm, draw_weights


def with_modules(network: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> nn.Module:
    """The network with other modules where ``make`` gives one."""
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):  # a shared module is a child twice
            if child is not None and (other := make(child)) is not None:
                setattr(parent, name, other)
    return network


def leaky(module: nn.Module) -> nn.Module | None:
    return nn.LeakyReLU(0.2) if isinstance(module, nn.ReLU) else None


def ending(*last: nn.Module) -> Callable[[nn.Module], nn.Module | None]:
    return lambda module: nn.Sequential(*last) if isinstance(module, nn.Tanh) else None


def aligned(module: nn.Module) -> nn.Module | None:
    up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return up if isinstance(module, nn.Upsample) else None


def zero_ends(module: nn.Module) -> nn.Module | None:
    return nn.ZeroPad2d(3) if isinstance(module, nn.ReflectionPad2d) and module.padding[0] == 3 else None


def reflected(module: nn.Module) -> nn.Module | None:
    if not (isinstance(module, nn.Conv2d) and module.stride == (2, 2)):
        return None
    return nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(module.in_channels, module.out_channels, 3, stride=2))


class Doubled(nn.Module):
    """Twice its input, less one: black is -1."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x - 1


class Bgr(nn.Module):
    """A network that takes and gives BGR, as one for RGB."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.network(x.flip(1)).flip(1)
        return y


class Small(Residual):
    """A residual block that adds a tenth."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + 0.1 * getattr(self, self._name)(x)
        return y


def small_sums(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, Residual):
            module.__class__ = Small
    return network


def tracked(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, track_running_stats=True)


def used_statistics(**options: Any) -> nn.Module:
    network = draw_weights(Numbered(**options))
    for _ in range(5):
        network.train()(draw_images())
    return network.eval()


def drawn(**options: Any) -> nn.Module:
    return draw_weights(Numbered(**options))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "plain": (drawn, "no ReLU after each addition"),
    "affine": (lambda: drawn(norm=affine_norm), "no ReLU after each addition"),
    "affine, ReLU": (lambda: drawn(norm=affine_norm, relu=True), "a ReLU after each addition"),
    "ReLU": (lambda: drawn(relu=True), "a ReLU after each addition"),
    "leaky": (lambda: with_modules(drawn(), leaky), "LeakyReLU"),
    "no tanh": (lambda: with_modules(drawn(), ending(nn.Identity())), "no tanh"),
    "sigmoid": (lambda: with_modules(drawn(), ending(nn.Sigmoid())), "its 0 as grey"),
    "sigmoid, black": (lambda: with_modules(drawn(), ending(nn.Sigmoid(), Doubled())), "its 0 as black"),
    "bilinear": (lambda: drawn(up="bilinear"), "bilinear upsampling"),
    "aligned": (lambda: with_modules(drawn(up="nearest"), aligned), "align_corners"),
    "nearest, ReLU": (lambda: drawn(up="nearest", relu=True), "a ReLU after each addition"),
    "replication": (lambda: drawn(pad=nn.ReplicationPad2d), "blocks padded by replicate"),
    "zero modules": (lambda: drawn(pad=nn.ZeroPad2d), "blocks padded by zeros"),
    "zero ends": (lambda: with_modules(drawn(), zero_ends), "zeros around the first"),
    "BGR": (lambda: Bgr(drawn()), "BGR"),
    "small sums": (lambda: small_sums(drawn()), "0.1 block"),
    "group norm": (lambda: drawn(norm=lambda c: nn.GroupNorm(4, c)), "GroupNorm(4)"),
    "layer norm": (lambda: drawn(norm=lambda c: nn.GroupNorm(1, c)), "GroupNorm(1)"),
    "statistics": (lambda: used_statistics(norm=tracked), "running statistics"),
    "batch norm": (lambda: used_statistics(norm=nn.BatchNorm2d), "running statistics"),
    "batch norm, no biases": (lambda: used_statistics(norm=nn.BatchNorm2d, bias=False), "running statistics"),
}


def reading_of(network: nn.Module, folder: Path, said: Said | None = None) -> Reading:
    state = {name.removeprefix("network."): tensor for name, tensor in network.state_dict().items()}
    return read_checkpoint(saved(state, folder), said=said or Said(), doubtful=True).reading


def errors(network: nn.Module, tried: list[Candidate]) -> list[float]:
    """Largest difference of each candidate, in grey levels."""
    x = draw_images()
    with torch.inference_mode():
        return [float(127.5 * (candidate.build()(x) - network(x)).abs().max()) for candidate in tried]


@pytest.mark.parametrize("name", NETWORKS)
def test_exactly_one_reading_is_the_network(name: str, tmp_path: Path) -> None:
    make, says = NETWORKS[name]
    network = make()
    tried = candidates(reading_of(network, tmp_path))
    assert len(tried) <= MAX_READINGS
    found = [c.says for c, error in zip(tried, errors(network, tried), strict=True) if error < 0.05]
    assert len(found) == 1
    assert says in found[0]


def test_a_reflected_convolution_of_stride_2_is_among_them(tmp_path: Path) -> None:
    """Its padding is a module of the network here, and so it is taken out of the names."""
    network = draw_weights(with_modules(Numbered(), reflected))
    state = {name.replace("4.1.", "4.").replace("7.1.", "7."): t for name, t in network.state_dict().items()}
    tried = candidates(read_checkpoint(saved(state, tmp_path)).reading)
    found = [c.says for c, error in zip(tried, errors(network, tried), strict=True) if error < 0.05]
    assert found == ["no ReLU after each addition, reflection around the convolutions of stride 2"]


@pytest.mark.parametrize("options", [{}, {"up": "nearest"}, {"norm": affine_norm, "up": "nearest"}, {"norm": tracked}])
def test_the_list_is_short_begins_with_the_plain_reading_and_names_each_once(
    options: dict[str, Any], tmp_path: Path
) -> None:
    reading = reading_of(drawn(**options), tmp_path)
    tried = candidates(reading)
    assert len({each.says for each in tried}) == len(tried) <= MAX_READINGS
    assert tried[0].recipe == reading.recipe


def test_what_is_said_is_not_tried_otherwise(tmp_path: Path) -> None:
    network = drawn(up="nearest", norm=affine_norm)
    everything = candidates(reading_of(network, tmp_path))
    said = Said(recipe="icube", upsampling="nearest", padding="zeros")
    fewer = candidates(reading_of(network, tmp_path, said))
    assert len(fewer) < len(everything)
    assert not [c.says for c in fewer if "addition" in c.says or "linear" in c.says or "blocks padded" in c.says]
    recipes = [each.recipe for each in fewer if each.recipe is not None]
    assert {(r.name, r.upsampling, r.block_padding) for r in recipes} == {("icube", "nearest", "zeros")}


def test_a_reading_that_no_recipe_of_ours_describes_has_none(tmp_path: Path) -> None:
    tried = candidates(reading_of(drawn(), tmp_path))
    ours = {c.says for c in tried if c.recipe is not None}
    assert all(("LeakyReLU" in c.says or "tanh" in c.says or "sigmoid" in c.says) <= (c.recipe is None) for c in tried)
    assert {"no ReLU after each addition", "a ReLU after each addition"} <= ours
