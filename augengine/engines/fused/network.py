"""The generator's pass with cuDNN's convolutions and the kernels between them.

Norms, ReLUs and paddings one after the other move so many bytes that a pass would wait for them about as long as for
its convolutions. Here each norm reads its input twice and writes it once, and does ReLU, shortcut and padding on the
way. The first and the last convolution, whose 3 channels leave most of a matrix unit idle, run over 32 channels
instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor, nn
from torch.nn import functional

from augengine.engines.fused.kernels import finish_moments, gather_taps, normalise, sum_plane, sum_taps
from augengine.generator import Generator
from augengine.weights.recipe import Recipe

_TAPS = 7
# 3 colours times 7 taps are 21 channels; Triton counts ranges in powers of two.
_TAP_CHANNELS = 32
_MIN_WIDTH, _MAX_WIDTH = 4, 256
# The kernels reckon places within an image in 32 bits, with a sign.
_MAX_VALUES = 2**31
_PIXELS = 256
_VALUES = 4096
_BLOCK_C = 64
_PART_PIXELS = 256
_MAX_PARTS = 1024
_FINISHED_VALUES = 8192


def why_not_fused(recipe: Recipe, height: int, width: int) -> str:
    """Return what the kernels lack for generators of this recipe at this size; empty if they lack nothing."""
    if recipe.block_padding != "reflect" or recipe.upsampling != "transposed":
        return f"its blocks pad by {recipe.block_padding} and it upsamples by {recipe.upsampling}"
    if not _MIN_WIDTH <= recipe.width <= _MAX_WIDTH or recipe.width & (recipe.width - 1):
        return f"its width {recipe.width} is no power of two from {_MIN_WIDTH} to {_MAX_WIDTH}"
    if min(height, width) < 8:
        return f"{width} x {height} px is too small to reflect at a quarter of its size"
    if (height + _TAPS - 1) * (width + _TAPS - 1) * max(recipe.width, _TAP_CHANNELS) >= _MAX_VALUES:
        return f"{width} x {height} px with {recipe.width} channels is beyond what 32 bits count"
    return ""


@dataclass(frozen=True, slots=True)
class _Norm:
    """An instance norm: its scales if it is affine, float32 (C,), and its epsilon."""

    scale: Tensor | None
    offset: Tensor | None
    epsilon: float

    @classmethod
    def of(cls, layer: nn.InstanceNorm2d, device: torch.device) -> _Norm:
        scale, offset = (
            None if each is None else each.detach().float().to(device) for each in (layer.weight, layer.bias)
        )
        return cls(scale, offset, layer.eps)


class FusedGenerator:
    """A generator's pass in float16 over batches of one shape.

    Biases in front of a norm are left out, since it subtracts them again.

    Args:
        generator: float32; `why_not_fused` of its recipe and this size is empty.
        height, width: Size of the images in pixels.
        device: Where it runs; a CPU only with Triton's interpreter.
    """

    def __init__(self, generator: Generator, height: int, width: int, device: torch.device) -> None:
        layers = list(generator.modules())
        convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
        weights = [layer.weight.detach().to(device) for layer in convolutions]
        weights[0], weights[-1] = _as_columns(weights[0]), _as_rows(weights[-1])
        # Channels last, as the images are: cuDNN then gives them channels last too, and nothing is copied.
        self._weights = [each.half().contiguous(memory_format=torch.channels_last) for each in weights]
        self._norms = [_Norm.of(layer, device) for layer in layers if isinstance(layer, nn.InstanceNorm2d)]
        self._bias = _bias_of(convolutions[-1], device)
        self._recipe, self._height, self._width = generator.recipe, height, width

    def __call__(self, x_nchw: Tensor) -> Tensor:
        """Translate float32 (N, 3, height, width), dense, in [-1, 1], to the same shape and type."""
        # Taken one after the other, as the modules stand. The last convolution has no norm.
        layers = zip(self._weights[:-1], self._norms, strict=True)
        x = self._encode(x_nchw.contiguous(), layers)
        for left in reversed(range(self._recipe.blocks)):
            x = self._block(x, layers, pad=1 if left else 0)
        return self._decode(x, layers)

    def _encode(self, x_nchw: Tensor, layers: Iterator[tuple[Tensor, _Norm]]) -> Tensor:
        n, height, width = len(x_nchw), self._height, self._width
        taps = _empty(x_nchw, n, height + _TAPS - 1, width, _TAP_CHANNELS)
        gather_taps[_grid(taps, _PIXELS)](x_nchw, taps, height, width, _TAPS, _TAP_CHANNELS, _PIXELS)
        weight, norm = next(layers)
        x = _normalised(_convolve(taps, weight), norm)
        for pad in (0, 1 if self._recipe.blocks else 0):
            weight, norm = next(layers)
            x = _normalised(_convolve(x, weight, stride=2, padding=1), norm, pad=pad)
        return x

    def _block(self, x: Tensor, layers: Iterator[tuple[Tensor, _Norm]], *, pad: int) -> Tensor:
        """Run a residual block. ``x`` has a margin of 1 px; the result has one of ``pad`` px for what follows."""
        weight, norm = next(layers)
        inner = _normalised(_convolve(x, weight), norm, pad=1)
        weight, norm = next(layers)
        relu = self._recipe.relu_after_add
        return _normalised(_convolve(inner, weight), norm, pad=pad, relu=relu, shortcut=x)

    def _decode(self, x: Tensor, layers: Iterator[tuple[Tensor, _Norm]]) -> Tensor:
        for pad in (0, _TAPS // 2):
            weight, norm = next(layers)
            x = _normalised(_double(x, weight), norm, pad=pad)
        rows = _convolve(x, self._weights[-1])
        out = torch.empty((len(x), 3, self._height, self._width), device=x.device)
        grid = triton.cdiv(self._height * self._width, _PIXELS), len(x)
        sum_taps[grid](rows, self._bias, out, self._height, self._width, _TAPS, _TAP_CHANNELS, _PIXELS)
        return out


def _as_columns(weight: Tensor) -> Tensor:
    """(width, 3, 7, 7) -> (width, 32, 7, 1), whose channels are those of `gather_taps`."""
    columns = weight.new_zeros(len(weight), _TAP_CHANNELS, _TAPS, 1)
    columns[:, : 3 * _TAPS, :, 0] = weight.permute(0, 3, 1, 2).flatten(1, 2)
    return columns


def _as_rows(weight: Tensor) -> Tensor:
    """(3, width, 7, 7) -> (32, width, 1, 7), whose outputs are those that `sum_taps` adds."""
    rows = weight.new_zeros(_TAP_CHANNELS, weight.shape[1], 1, _TAPS)
    rows[: 3 * _TAPS, :, 0] = weight.permute(2, 0, 1, 3).flatten(0, 1)
    return rows


def _bias_of(last: nn.Conv2d | nn.ConvTranspose2d, device: torch.device) -> Tensor:
    bias = last.bias
    return torch.zeros(3, device=device) if bias is None else bias.detach().float().to(device)


def _convolve(x_nhwc: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    return _as_nhwc(functional.conv2d(x_nhwc.permute(0, 3, 1, 2), weight, stride=stride, padding=padding))


def _double(x_nhwc: Tensor, weight: Tensor) -> Tensor:
    x_nchw = x_nhwc.permute(0, 3, 1, 2)
    return _as_nhwc(functional.conv_transpose2d(x_nchw, weight, stride=2, padding=1, output_padding=1))


def _as_nhwc(y_nchw: Tensor) -> Tensor:
    # No copy where the convolution gives its output channels last, as its input was.
    return y_nchw.permute(0, 2, 3, 1).contiguous()


def _normalised(
    x_nhwc: Tensor, norm: _Norm, *, pad: int = 0, relu: bool = True, shortcut: Tensor | None = None
) -> Tensor:
    n, height, width, channels = x_nhwc.shape
    moments = moments_of(x_nhwc, norm.epsilon)
    out = _empty(x_nhwc, n, height + 2 * pad, width + 2 * pad, channels)
    margin = 0 if shortcut is None else (shortcut.shape[1] - height) // 2
    pixels = max(1, _VALUES // channels)
    arrays: tuple[Any, ...] = (x_nhwc, moments, norm.scale, norm.offset, shortcut, out)
    normalise[_grid(out, pixels)](*arrays, height, width, channels, pixels, pad, margin, relu)
    return out


def moments_of(x_nhwc: Tensor, epsilon: float) -> Tensor:
    """Mean and 1 / sqrt(variance + epsilon) of float16 (N, H, W, C), dense: float32 (N, 2, C)."""
    n, height, width, channels = x_nhwc.shape
    pixels, block = height * width, min(channels, _BLOCK_C)
    # Larger parts for large images: `finish_moments` holds all the partial sums of an image at once.
    part = max(_PART_PIXELS, triton.next_power_of_2(triton.cdiv(pixels, _MAX_PARTS)))
    parts = triton.cdiv(pixels, part)
    sums = torch.empty((n, parts, 2, channels), device=x_nhwc.device)
    moments = torch.empty((n, 2, channels), device=x_nhwc.device)
    sum_plane[parts, channels // block, n](x_nhwc, sums, pixels, parts, channels, block, part)
    most = triton.next_power_of_2(parts)
    block = min(channels, _FINISHED_VALUES // most)
    finish_moments[channels // block, n](x_nhwc, sums, moments, pixels, parts, epsilon, channels, block, most)
    return moments


def _grid(out_nhwc: Tensor, pixels: int) -> tuple[int, int]:
    n, height, width, _ = out_nhwc.shape
    return triton.cdiv(height * width, pixels), n


def _empty(like: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float16, device=like.device)
