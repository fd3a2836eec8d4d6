"""What a state dict's shapes and names say of a generator's architecture, and its tensors under our names.

The roles of the convolutions follow from their shapes, so the names of other implementations do not matter; names
give the order of the residual blocks, and their numbers tell of modules without tensors between them (paddings,
dropout). What leaves no trace at all is assumed, and said. What contradicts the plain layout, or leaves two readings
that are equally common, is a doubt: without a picture to compare with, it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from augengine.errors import CheckpointError, SpecError
from augengine.generator.assumed import assumptions, warnings_of
from augengine.generator.entries import State, natural
from augengine.generator.layers import PARTS, READABLE, Convolutions, Layer, layers_of, roles_of
from augengine.generator.network import Generator
from augengine.generator.numbering import Numbering, read_numbers
from augengine.weights.recipe import NOTHING_SAID, Recipe, Said, Upsampling

_COMPARE = "--example IN OUT, a picture before and after by your own code, decides"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a state dict turned out to be.

    Attributes:
        recipe: The architecture.
        state: Its tensors by the names of `Generator`.
        statistics: Running means and variances of its norms by the name of the convolution in front, if it has them.
        said: What the user said of it.
        assumed: What no tensor shows, one phrase each.
        warnings: What was left out and may matter, one sentence each.
        doubts: Why the tensors alone do not settle what it is.
    """

    recipe: Recipe
    state: dict[str, Tensor]
    statistics: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    said: Said = NOTHING_SAID
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    doubts: tuple[CheckpointError, ...] = ()

    @property
    def found(self) -> str:
        """What the tensors show, in a line."""
        recipe = self.recipe
        up = "transposed convolutions" if recipe.upsampling == "transposed" else "convolutions behind an interpolation"
        norms = "norms with scales and shifts" if recipe.affine else "no scales of norms"
        return f"a generator of {recipe.width} channels, {recipe.blocks} residual blocks, {up}, {norms}"


def read_state(state: State, *, said: Said = NOTHING_SAID, source: str, ordered: bool = True) -> Reading:
    """Read one generator's state dict.

    Args:
        state: Its tensors.
        said: What the user says of it.
        source: The file, for the error's sentence.
        ordered: Whether the order of the tensors is that in which the modules were made.

    Raises:
        CheckpointError: Another architecture, or options that the tensors contradict.
    """
    layers = layers_of(state, source)
    convolutions = roles_of([layer for layer in layers if layer.is_convolution], source)
    norms = [layer for layer in layers if not layer.is_convolution]
    affine = _affine(norms, convolutions, source)
    behind = _norms_behind(convolutions, norms)
    numbers = read_numbers(convolutions, behind, _order(state) if ordered else ())
    chosen = said.recipe or "zhu2017"
    try:
        recipe = Recipe(
            name=chosen,
            width=len(convolutions.stem.weight),
            blocks=len(convolutions.blocks) // 2,
            affine=affine,
            relu_after_add=chosen == "icube",
            upsampling=_upsampling(convolutions, said.upsampling, source),
            block_padding=said.padding or numbers.block_padding or "reflect",
            up_padding="reflect" if numbers.up_padded else "zeros",
        )
    except SpecError as error:
        raise CheckpointError(f"{source}: {error}", hint=error.hint) from error
    return Reading(
        recipe=recipe,
        state=_under_our_names(recipe, convolutions.in_order(), behind if affine else {}),
        statistics=_statistics(recipe, convolutions.in_order(), behind),
        said=said,
        assumed=tuple(assumptions(recipe, said, numbers)),
        warnings=tuple(warnings_of(layers, numbers)),
        doubts=tuple(_doubts(recipe, said, norms, numbers, source)),
    )


def _affine(norms: Sequence[Layer], convolutions: Convolutions, source: str) -> bool:
    """Whether the norms have scales and shifts, one norm behind each convolution but the last."""
    scaled = [norm for norm in norms if "weight" in norm.tensors]
    if not scaled:
        return False
    by_name = {layer.name: layer.tensors.get("bias") for layer in convolutions.in_order()[:-1]}
    biases = [by_name[name] for name in _by_name(convolutions.in_order()[:-1])]
    channels = [None if bias is None else len(bias) for bias in biases]
    found = [len(norm.tensors.get("weight", ())) for norm in norms]
    fits = len(found) == len(channels) and all(c in (None, f) for c, f in zip(channels, found, strict=True))
    if not fits or len(scaled) != len(norms) or any(not norm.tensors.keys() >= set(PARTS) for norm in norms):
        raise CheckpointError(
            f"{source}: {len(norms)} norms do not fit the {len(channels)} convolutions before them", hint=READABLE
        )
    return True


def _norms_behind(convolutions: Convolutions, norms: Sequence[Layer]) -> dict[str, Layer]:
    """The norms that hold tensors by the name of the convolution in front; empty if there is not one for each."""
    names = _by_name(convolutions.in_order()[:-1])
    return dict(zip(names, norms, strict=True)) if len(names) == len(norms) else {}


def _order(state: State) -> list[str]:
    """The layers as the file lists them; empty if it lists them by the alphabet, which tells nothing."""
    names = list(state)
    return [] if names == sorted(names) else list(dict.fromkeys(name.rpartition(".")[0] for name in names))


def _doubts(
    recipe: Recipe, said: Said, norms: Sequence[Layer], numbers: Numbering, source: str
) -> list[CheckpointError]:
    doubts = [
        CheckpointError(f"{source} is no plain ResNet generator: {sentence}", hint=f"{_COMPARE}; {READABLE}")
        for sentence in numbers.contradictions
    ]
    if recipe.affine and (norm := next((norm for norm in norms if norm.tracked), None)):
        reason = f"{source} has a batch norm, {norm.name}: its running statistics are part of what it does"
        doubts.append(
            CheckpointError(
                reason,
                hint="import it as ONNX, exported in eval mode; if these are affine instance norms, drop the "
                f"running_*; or {_COMPARE}",
            )
        )
    if recipe.affine and recipe.blocks and said.recipe is None:
        doubts.append(
            CheckpointError(
                f"{source} has norms with scales and shifts, and no tensor shows whether a ReLU follows each addition",
                hint="--recipe zhu2017 says that there is none, which is commoner; --recipe icube that there is one; "
                + _COMPARE,
            )
        )
    return doubts


def _upsampling(convolutions: Convolutions, said: Upsampling | None, source: str) -> Upsampling:
    found = "transposed convolutions" if convolutions.transposed else "an interpolation"
    if said is not None and (said == "transposed") != convolutions.transposed:
        raise CheckpointError(f"{source} goes up by {found}, not by {said} upsampling", hint="leave out --upsampling")
    return "transposed" if convolutions.transposed else said or "nearest"


def _under_our_names(recipe: Recipe, convolutions: Sequence[Layer], behind: Mapping[str, Layer]) -> dict[str, Tensor]:
    """The tensors of the convolutions, in order of execution, and of the norms behind them, by our modules' names."""
    ours, norms = _our_modules(recipe)
    state: dict[str, Tensor] = {}
    for (name, channels), layer in zip(ours.items(), convolutions, strict=True):
        # A missing bias adds nothing.
        bias = layer.tensors.get("bias", torch.zeros(channels))
        state |= {f"{name}.weight": layer.weight, f"{name}.bias": bias}
    if behind:
        for name, layer in zip(norms, convolutions[:-1], strict=True):
            state |= {f"{name}.{part}": behind[layer.name].tensors[part] for part in PARTS}
    return state


def _our_modules(recipe: Recipe) -> tuple[dict[str, int], list[str]]:
    """Our convolutions and how many channels each gives, and our norms, by name in order of execution."""
    with torch.device("meta"):
        modules = list(Generator(recipe).named_modules())
    ours = {name: each.out_channels for name, each in modules if isinstance(each, nn.Conv2d | nn.ConvTranspose2d)}
    return ours, [name for name, module in modules if isinstance(module, nn.InstanceNorm2d)]


def _statistics(
    recipe: Recipe, convolutions: Sequence[Layer], behind: Mapping[str, Layer]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Running means and variances by our names of the convolutions in front; empty unless every norm has them."""
    ours = list(_our_modules(recipe)[0].items())[:-1]
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for (name, channels), layer in zip(ours, convolutions[:-1], strict=True):
        tensors = behind[layer.name].tensors if behind else {}
        mean, variance = (tensors.get(part, torch.zeros(0)) for part in ("running_mean", "running_var"))
        if mean.shape != (channels,) or variance.shape != (channels,):
            return {}
        found[name] = mean.float(), variance.float()
    return found


def _by_name(convolutions: Sequence[Layer]) -> list[str]:
    """The order of the names, in which norms come too: a decoder may be named before its encoder."""
    return sorted((layer.name for layer in convolutions), key=natural)
