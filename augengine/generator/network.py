"""The generator as a torch module.

Architecture (Zhu et al. 2017, ResNet generator): reflection pad 3, conv 7 to ``width`` channels, two stride-2
convolutions, residual blocks, two transposed convolutions, reflection pad 3, conv 7, tanh; InstanceNorm and ReLU
between. Recipe ``icube`` has affine norms and a ReLU after each residual addition. Modules are numbered as in
the reference implementation, so that its state dicts load as they are. Variants that others train (interpolation in
place of transposed convolutions, other paddings) are for reading their checkpoints.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from augengine.weights.recipe import Padding, Recipe

_PADS: dict[Padding, type[nn.Module]] = {
    "reflect": nn.ReflectionPad2d,
    "zeros": nn.ZeroPad2d,
    "replicate": nn.ReplicationPad2d,
}


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; float (N, channels, H, W) in and out."""

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            _pad(recipe.block_padding),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=recipe.affine),
            nn.ReLU(),
            _pad(recipe.block_padding),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=recipe.affine),
        )
        self.last = nn.ReLU() if recipe.relu_after_add else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions find to ``x``."""
        out: Tensor = self.last(x + self.conv_block(x))
        return out


class Generator(nn.Module):
    """Translates images of one stain into another.

    Attributes:
        recipe: Its architecture.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        wide = 4 * recipe.width
        self.model = nn.Sequential(
            *_encoder(recipe),
            *(ResidualBlock(wide, recipe) for _ in range(recipe.blocks)),
            *_decoder(recipe),
        )

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Float (N, 3, H, W), nominally in [-1, 1], to the same shape in (-1, 1); H and W divide by 4."""
        y_nchw: Tensor = self.model(x_nchw)
        return y_nchw


def _pad(padding: Padding) -> nn.Module:
    return _PADS[padding](1)


def _norm_relu(channels: int, recipe: Recipe) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels, affine=recipe.affine), nn.ReLU()


def _encoder(recipe: Recipe) -> list[nn.Module]:
    w = recipe.width
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), *_norm_relu(w, recipe)]
    for c in (w, 2 * w):
        layers += [nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), *_norm_relu(2 * c, recipe)]
    return layers


def _decoder(recipe: Recipe) -> list[nn.Module]:
    w = recipe.width
    layers: list[nn.Module] = []
    for c in (2 * w, w):
        layers += [*_double(2 * c, c, recipe), *_norm_relu(c, recipe)]
    return [*layers, nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh()]


def _double(channels_in: int, channels_out: int, recipe: Recipe) -> list[nn.Module]:
    if recipe.upsampling == "transposed":
        return [nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)]
    larger = nn.Upsample(scale_factor=2, mode=recipe.upsampling)
    return [larger, _pad(recipe.up_padding), nn.Conv2d(channels_in, channels_out, 3)]


def run_generator(generator: Generator, x_nchw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a generator that is on the CPU: float32 (N, 3, H, W) to the same shape."""
    with torch.inference_mode():
        y_nchw: NDArray[np.float32] = generator(torch.from_numpy(x_nchw)).numpy()
    return y_nchw


class _Float32(nn.Module):
    """Runs a module in float32 between float16 neighbours."""

    def __init__(self, inner: nn.Module, out: torch.dtype) -> None:
        super().__init__()
        self.inner, self.out = inner, out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x.float())
        return y.to(self.out)


def to_half(generator: Generator) -> nn.Module:
    """A copy that computes in float16 between a float32 input and output; norms and the last tanh in float32.

    The same types as `augengine.engines.onnx_float16.to_float16` gives a graph.
    """
    half = copy.deepcopy(generator).half()
    for parent in [module for module in half.modules() if isinstance(module, nn.Sequential)]:
        for index, layer in enumerate(parent):
            if isinstance(layer, nn.InstanceNorm2d):
                parent[index] = _Float32(layer.float(), torch.float16)
    half.model[-1] = _Float32(half.model[-1], torch.float32)
    return nn.Sequential(_ToHalf(), half)


class _ToHalf(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.half()
