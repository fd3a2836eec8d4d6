"""Other generators that the same tensors could be: the closed list that a picture before and after is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from augengine.generator.layout import Reading
from augengine.generator.load import generator_from
from augengine.generator.network import Generator, ResidualBlock
from augengine.weights.recipe import Recipe, RecipeName

MAX_READINGS = 24
"""How many readings of a checkpoint are compared with a picture; each costs a pass over it."""

_GROUPS = (32, 8, 4, 1)
"""Groups of a GroupNorm: torch's examples have 32, 1 is a layer norm of the whole image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One reading of a checkpoint.

    Attributes:
        says: How it differs from the plain reading, as a phrase.
        recipe: The architecture, where our recipes can say it; None for any other, which is stored as a bare graph.
        build: Makes the network, in float32 on the CPU, in eval mode; it raises a CheckpointError if it cannot.
    """

    says: str
    recipe: Recipe | None
    build: Callable[[], Generator]


@dataclass(frozen=True, slots=True)
class _Change:
    """A line of the table.

    Attributes:
        says: The phrase for people.
        recipe: Fields of the recipe that differ.
        alter: What is done to the modules besides; such a network has no recipe of ours.
        state: What is done to the tensors, by our names.
    """

    says: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    alter: Callable[[Generator], object] | None = None
    state: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None


def candidates(reading: Reading) -> list[Candidate]:
    """Every reading that the tensors and what was said of them allow, the plain one first; at most `MAX_READINGS`."""
    return list(islice(_candidates(reading), MAX_READINGS))


def _candidates(reading: Reading) -> Iterator[Candidate]:
    for name in _recipe_names(reading):
        relu = name == "icube"
        base = replace(reading.recipe, name=name, relu_after_add=relu)
        about = [f"{'a' if relu else 'no'} ReLU after each addition"] if reading.said.recipe is None else []
        for change in _changes(reading):
            recipe = replace(base, **change.recipe)
            yield Candidate(
                says=", ".join(filter(None, (*about, change.says))) or "nothing but what was said",
                recipe=recipe if change.alter is None else None,
                build=partial(_build, reading, recipe, change),
            )


def _recipe_names(reading: Reading) -> list[RecipeName]:
    first = reading.recipe.name
    other: RecipeName = "zhu2017" if first == "icube" else "icube"
    return [first] if reading.said.recipe is not None or not reading.recipe.blocks else [first, other]


def _build(reading: Reading, recipe: Recipe, change: _Change) -> Generator:
    state = dict(reading.state) if change.state is None else change.state(dict(reading.state))
    generator = generator_from(recipe, state, "the checkpoint")
    if change.alter is not None:
        change.alter(generator)
    return generator


def _changes(reading: Reading) -> Iterator[_Change]:
    """The table, likeliest first: what the tensors or the user settle is left out."""
    recipe, said = reading.recipe, reading.said
    yield _Change("")
    if recipe.upsampling != "transposed" and said.upsampling != "nearest":
        modes = [mode for mode in ("nearest", "bilinear") if mode != recipe.upsampling and said.upsampling is None]
        yield from (_Change(f"{mode} upsampling", {"upsampling": mode}) for mode in modes)
        yield _Change("bilinear upsampling with align_corners", {"upsampling": "bilinear"}, _align_corners)
    if recipe.upsampling != "transposed":
        other = "zeros" if recipe.up_padding == "reflect" else "reflect"
        yield _Change(f"{other} around what was upsampled", {"up_padding": other})
    if reading.statistics:
        folded = partial(_with_statistics, reading.statistics)
        yield _Change("the running statistics of its norms", {"affine": False}, _without_norms, folded)
    yield from _ACTIVATIONS
    if said.padding is None and recipe.blocks:
        paddings = [padding for padding in ("zeros", "reflect", "replicate") if padding != recipe.block_padding]
        yield from (_Change(f"blocks padded by {padding}", {"block_padding": padding}) for padding in paddings)
    yield from _REST[: None if recipe.blocks else -1]
    if recipe.affine:
        for groups in (each for each in _GROUPS if recipe.width % each == 0):
            yield _Change(f"GroupNorm({groups})", alter=partial(_group_norms, groups))


def _swap(network: nn.Module, kind: type[nn.Module], make: Callable[[nn.Module], nn.Module]) -> None:
    """Put what ``make`` gives in the place of each module of a kind."""
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, kind):
                setattr(parent, name, make(child))


def _leaky(slope: float, generator: Generator) -> None:
    _swap(generator, nn.ReLU, lambda _: nn.LeakyReLU(slope))


def _ending(generator: Generator, *last: nn.Module) -> None:
    generator.model[-1] = nn.Sequential(*last)


class _Affine(nn.Module):
    """``scale * x + shift``."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.shift


def _zero_ends(generator: Generator) -> None:
    generator.model[0] = generator.model[-3] = nn.ZeroPad2d(3)


def _reflected_strides(generator: Generator) -> None:
    strided = [each for each in generator.model if isinstance(each, nn.Conv2d) and each.stride == (2, 2)]
    for convolution in strided:
        convolution.padding_mode = "reflect"
        convolution._reversed_padding_repeated_twice = [1, 1, 1, 1]  # torch makes it of the mode when it is built


def _small_sums(generator: Generator) -> None:
    for block in (each for each in generator.model if isinstance(each, ResidualBlock)):
        block.conv_block.append(_Affine(0.1, 0))


def _align_corners(generator: Generator) -> None:
    _swap(generator, nn.Upsample, lambda _: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))


def _group_norms(groups: int, generator: Generator) -> None:
    def make(norm: nn.Module) -> nn.Module:
        grouped = nn.GroupNorm(groups, norm.num_features)  # type: ignore[arg-type]
        grouped.load_state_dict(norm.state_dict())
        return grouped.requires_grad_(requires_grad=False)

    _swap(generator, nn.InstanceNorm2d, make)


def _without_norms(generator: Generator) -> None:
    _swap(generator, nn.InstanceNorm2d, lambda _: nn.Identity())


def _bgr(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors for images whose channels are in the other order."""
    first, *_, last = [name for name in state if name.endswith(".weight") and state[name].ndim == 4]
    bias = last.removesuffix("weight") + "bias"
    return state | {first: state[first].flip(1), last: state[last].flip(0), bias: state[bias].flip(0)}


def _with_statistics(statistics: Mapping[str, tuple[Tensor, Tensor]], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The convolutions with the norms behind them folded in: in eval mode such a norm is a scale and a shift."""
    norms = [
        name.removesuffix(".weight") for name, tensor in state.items() if name.endswith(".weight") and tensor.ndim == 1
    ]
    folded = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in norms}
    for (name, (mean, variance)), norm in zip(statistics.items(), norms or [""] * len(statistics), strict=True):
        scale = torch.rsqrt(variance + 1e-5) * state.get(f"{norm}.weight", torch.ones_like(mean)).float()
        shift = state.get(f"{norm}.bias", torch.zeros_like(mean)).float() - mean * scale
        weight, bias = state[f"{name}.weight"].float(), state[f"{name}.bias"].float()
        along = (1, -1, 1, 1) if weight.shape[1] == len(mean) and weight.shape[0] != len(mean) else (-1, 1, 1, 1)
        folded |= {f"{name}.weight": weight * scale.view(along), f"{name}.bias": bias * scale + shift}
    return folded


_ACTIVATIONS = (
    _Change("a LeakyReLU(0.2) in place of each ReLU", alter=partial(_leaky, 0.2)),
    _Change("a LeakyReLU(0.01) in place of each ReLU", alter=partial(_leaky, 0.01)),
    _Change("no tanh at the end", alter=lambda generator: _ending(generator, nn.Identity())),
    _Change("a sigmoid at the end, its 0 as black", alter=lambda g: _ending(g, nn.Sigmoid(), _Affine(2, -1))),
    _Change("a sigmoid at the end, its 0 as grey", alter=lambda generator: _ending(generator, nn.Sigmoid())),
)
_REST = (
    _Change("zeros around the first and the last convolution", alter=_zero_ends),
    _Change("reflection around the convolutions of stride 2", alter=_reflected_strides),
    _Change("channels in the order BGR", state=_bgr),
    _Change("x + 0.1 block(x)", alter=_small_sums),
)
