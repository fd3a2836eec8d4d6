"""What no tensor of a state dict shows: what the user says of it, and what is assumed of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from augengine.generator.layers import Layer
from augengine.generator.numbering import Numbering
from augengine.weights.recipe import Padding, Recipe, Said

_PADDED_BY: dict[Padding, str] = {"reflect": "reflection", "zeros": "zeros", "replicate": "replication"}


def assumptions(recipe: Recipe, said: Said, numbers: Numbering) -> Iterator[str]:
    """Everything that is assumed of a generator, a phrase each, with the option that says it where there is one."""
    yield f"instance norm{'' if recipe.affine else ' without scales'} (GroupNorm would look the same)"
    yield "a ReLU behind each norm, a tanh at the end, RGB images in [-1, 1], no dilation"
    if recipe.blocks:
        yield from _of_blocks(recipe, said, numbers)
    ends = "" if numbers.ends_padded else ", though no module in front of the first shows a padding"
    yield f"the first and the last convolution padded by reflection{ends}"
    yield "sides halved by convolutions of stride 2 that zeros pad, no pooling"
    if recipe.upsampling != "transposed":
        padding = "" if numbers.up_padded else ", zeros around it"
        option = " (--upsampling)" if said.upsampling is None else ""
        yield f"{recipe.upsampling} upsampling{option} without align_corners{padding}"


def _of_blocks(recipe: Recipe, said: Said, numbers: Numbering) -> Iterator[str]:
    yield "blocks that add x + block(x), a convolution, then its norm"
    if said.recipe is None:
        yield f"{'a' if recipe.relu_after_add else 'no'} ReLU after each addition (--recipe)"
    if said.padding is None:
        option = " (--padding)" if numbers.block_padding is None else ""
        yield f"blocks padded by {_PADDED_BY[recipe.block_padding]}{option}"


def warnings_of(layers: Sequence[Layer], numbers: Numbering) -> Iterator[str]:
    """What is left out and may matter, a sentence each."""
    if any(layer.tracked for layer in layers):
        yield "the running statistics of its norms were left out: each image is normalised by its own"
    if numbers.dropout:
        yield "its residual blocks have room for dropout, which is left out, as in eval mode"
