"""What a state dict's shapes and names say of a generator's architecture, and its tensors under our names.

The roles of the convolutions follow from their shapes, so the names of other implementations do not matter; names
give the order of the residual blocks, and their numbers tell of modules without weights between them (paddings,
dropout). What leaves no trace at all is assumed, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from augengine.errors import CheckpointError, SpecError
from augengine.generator.entries import State, natural
from augengine.generator.layers import PARTS, READABLE, Convolutions, Layer, layers_of, roles_of
from augengine.generator.network import Generator
from augengine.weights.recipe import Padding, Recipe, RecipeName, Upsampling

# The indices of a block's two convolutions: with padding modules in front, and without; each also with dropout.
_PADDED, _BARE = {(1, 5), (1, 6), (1, 3), (1, 4)}, {(0, 3), (0, 4)}
_DROPOUT = {(1, 6), (0, 4), (1, 4)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a state dict turned out to be.

    Attributes:
        recipe: The architecture.
        state: Its tensors by the names of `Generator`.
        assumed: What no tensor shows, one phrase each.
        warnings: What was left out and may matter, one sentence each.
    """

    recipe: Recipe
    state: dict[str, Tensor]
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_state(
    state: State,
    *,
    name: RecipeName | None = None,
    upsampling: Upsampling | None = None,
    padding: Padding | None = None,
    source: str,
) -> Reading:
    """Read one generator's state dict; arguments as in `augengine.generator.read_checkpoint`.

    Raises:
        CheckpointError: Another architecture, or options that the tensors contradict.
    """
    layers = layers_of(state, source)
    convolutions = roles_of([layer for layer in layers if layer.is_convolution], source)
    norms = [layer for layer in layers if not layer.is_convolution]
    affine = _affine(norms, convolutions, source)
    seen_padding, dropout = _block_padding(convolutions.blocks)
    chosen = name or ("icube" if affine else "zhu2017")
    try:
        recipe = Recipe(
            name=chosen,
            width=len(convolutions.stem.weight),
            blocks=len(convolutions.blocks) // 2,
            affine=affine,
            relu_after_add=chosen == "icube",
            upsampling=_upsampling(convolutions, upsampling, source),
            block_padding=padding or seen_padding or "reflect",
            up_padding="reflect" if _pads_up(convolutions) else "zeros",
        )
    except SpecError as error:
        raise CheckpointError(f"{source}: {error}", hint=error.hint) from error
    return Reading(
        recipe=recipe,
        state=_under_our_names(recipe, convolutions.in_order(), norms if affine else []),
        assumed=(*_assumed(recipe, name, upsampling, padding or seen_padding), *_assumed_ends(convolutions)),
        warnings=tuple(_warnings(layers, dropout)),
    )


def _affine(norms: Sequence[Layer], convolutions: Convolutions, source: str) -> bool:
    """Whether the norms have scales and shifts, one norm behind each convolution but the last."""
    scaled = [norm for norm in norms if "weight" in norm.tensors]
    if not scaled:
        return False
    if norm := next((norm for norm in scaled if norm.tracked), None):
        raise CheckpointError(
            f"{source} has a batch norm, {norm.name}: its running statistics are part of what it does",
            hint="import it as ONNX, exported in eval mode; if these are affine instance norms, drop the running_*",
        )
    by_name = {layer.name: layer.tensors.get("bias") for layer in convolutions.in_order()[:-1]}
    biases = [by_name[name] for name in _by_name(convolutions.in_order()[:-1])]
    channels = [None if bias is None else len(bias) for bias in biases]
    found = [len(norm.weight) for norm in norms]
    fits = len(found) == len(channels) and all(c in (None, f) for c, f in zip(channels, found, strict=True))
    if not fits or len(scaled) != len(norms) or any(norm.tensors.keys() != set(PARTS) for norm in norms):
        raise CheckpointError(
            f"{source}: {len(norms)} norms do not fit the {len(channels)} convolutions before them", hint=READABLE
        )
    return True


def _block_padding(blocks: Sequence[Layer]) -> tuple[Padding | None, bool]:
    """The padding of the residual blocks as their numbers tell it, None if they do not; and whether dropout was there.

    Reflection and replication are numbered alike; the first is meant.
    """
    seen = {_numbers(blocks[i].name, blocks[i + 1].name) for i in range(0, len(blocks), 2)}
    padding: Padding | None = None
    if seen and seen <= _PADDED:
        padding = "reflect"
    elif seen and seen <= _BARE:
        padding = "zeros"
    return padding, bool(seen & _DROPOUT)


def _numbers(first: str, second: str) -> tuple[int, int] | None:
    """The numbers in which two modules' names first differ, None if these are no plain numbers."""
    pairs = zip(first.split("."), second.split("."), strict=False)
    a, b = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return (int(a), int(b)) if a.isdigit() and b.isdigit() else None


def _pads_up(convolutions: Convolutions) -> bool:
    """Interpolation, padding, convolution, norm and ReLU are five modules; without the padding four."""
    numbers = _numbers(*(layer.name for layer in convolutions.up))
    return not convolutions.transposed and numbers is not None and numbers[1] - numbers[0] == 5


def _upsampling(convolutions: Convolutions, said: Upsampling | None, source: str) -> Upsampling:
    found = "transposed convolutions" if convolutions.transposed else "an interpolation"
    if said is not None and (said == "transposed") != convolutions.transposed:
        raise CheckpointError(f"{source} goes up by {found}, not by {said} upsampling", hint="leave out --upsampling")
    return "transposed" if convolutions.transposed else said or "nearest"


def _under_our_names(recipe: Recipe, convolutions: Sequence[Layer], norms: Sequence[Layer]) -> dict[str, Tensor]:
    """The tensors of the convolutions, in order of execution, and of the norms behind them, by our modules' names."""
    with torch.device("meta"):
        modules = list(Generator(recipe).named_modules())
    ours = [(name, module) for name, module in modules if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    state: dict[str, Tensor] = {}
    for (name, module), layer in zip(ours, convolutions, strict=True):
        # A missing bias adds nothing.
        bias = layer.tensors.get("bias", torch.zeros(module.out_channels))
        state |= {f"{name}.weight": layer.weight, f"{name}.bias": bias}
    if norms:
        behind = dict(zip(_by_name(convolutions[:-1]), norms, strict=True))
        names = [name for name, module in modules if isinstance(module, nn.InstanceNorm2d)]
        for name, layer in zip(names, convolutions[:-1], strict=True):
            state |= {f"{name}.{part}": behind[layer.name].tensors[part] for part in PARTS}
    return state


def _by_name(convolutions: Sequence[Layer]) -> list[str]:
    """The order of the names, in which norms come too: a decoder may be named before its encoder."""
    return sorted((layer.name for layer in convolutions), key=natural)


def _assumed(
    recipe: Recipe, name: RecipeName | None, upsampling: Upsampling | None, padding: Padding | None
) -> list[str]:
    """What no tensor shows and nobody said, with the option that says it."""
    assumed = []
    if name is None and recipe.blocks:
        assumed.append(f"{'a' if recipe.relu_after_add else 'no'} ReLU after each addition (--recipe)")
    if recipe.upsampling != "transposed" and upsampling is None:
        assumed.append(f"{recipe.upsampling} upsampling (--upsampling)")
    if padding is None and recipe.blocks:
        assumed.append(f"blocks padded by {recipe.block_padding} (--padding)")
    return assumed


def _assumed_ends(convolutions: Convolutions) -> list[str]:
    """A module in front of the first convolution, which its number shows, is a padding; without one, who knows."""
    number = convolutions.stem.name.rpartition(".")[2]
    if number.isdigit() and int(number):
        return []
    return ["the first and the last convolution padded by reflection (padded otherwise: import it as ONNX)"]


def _warnings(layers: Sequence[Layer], dropout: bool) -> list[str]:
    warnings = []
    if any(layer.tracked for layer in layers):
        warnings.append(
            "the running statistics of its instance norms were left out: each image is normalised by its own"
        )
    if dropout:
        warnings.append("its residual blocks have room for dropout, which is left out, as in eval mode")
    return warnings
