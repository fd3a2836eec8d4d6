"""ResNet generators as other projects write them: other names, other modules in between; small, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

WIDTH, BLOCKS = 4, 2
Norm = Callable[[int], nn.Module]


def instance_norm(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels)


def affine_norm(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


class Residual(nn.Module):
    """A residual block whose layers lie in a Sequential of any name."""

    def __init__(self, name: str, layers: list[nn.Module], *, relu: bool) -> None:
        super().__init__()
        self._name, self._relu = name, relu
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + getattr(self, self._name)(x)
        return y.relu() if self._relu else y


class Numbered(nn.Module):
    """Everything in one Sequential, numbered.

    Args:
        name, block: What the Sequential, and that of a block, are called.
        norm: Makes a norm.
        dropout: Between the convolutions of a block.
        pad: The module in front of a block's convolutions; None: they pad with zeros themselves.
        up: ``transposed``, or the mode of an interpolation.
        up_pad: A reflection in front of the convolution behind an interpolation.
        relu: After each addition.
        bias: Whether every convolution but the last has a bias.
        ends_pad: A reflection in front of the first and the last convolution; they pad with zeros themselves without.
    """

    def __init__(
        self,
        *,
        name: str = "model",
        block: str = "conv_block",
        norm: Norm = instance_norm,
        dropout: bool = False,
        pad: type[nn.Module] | None = nn.ReflectionPad2d,
        up: str = "transposed",
        up_pad: bool = False,
        relu: bool = False,
        bias: bool = True,
        ends_pad: bool = True,
    ) -> None:
        super().__init__()
        self._name = name
        w = WIDTH
        front: list[nn.Module] = [nn.ReflectionPad2d(3)] if ends_pad else []
        own = 0 if ends_pad else 3
        layers: list[nn.Module] = [*front, nn.Conv2d(3, w, 7, padding=own, bias=bias), norm(w), nn.ReLU()]
        for c in (w, 2 * w):
            layers += [nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=bias), norm(2 * c), nn.ReLU()]
        for _ in range(BLOCKS):
            layers.append(Residual(block, _inside(4 * w, norm, dropout, pad, bias), relu=relu))
        for c in (2 * w, w):
            layers += [*_larger(2 * c, c, up, up_pad, bias), norm(c), nn.ReLU()]
        layers += [*front, nn.Conv2d(w, 3, 7, padding=own), nn.Tanh()]
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = getattr(self, self._name)(x)
        return y


def _inside(channels: int, norm: Norm, dropout: bool, pad: type[nn.Module] | None, bias: bool) -> list[nn.Module]:
    def conv() -> list[nn.Module]:
        if pad is None:
            return [nn.Conv2d(channels, channels, 3, padding=1, bias=bias)]
        return [pad(1), nn.Conv2d(channels, channels, 3, bias=bias)]

    between: list[nn.Module] = [nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])]
    return [*conv(), norm(channels), *between, *conv(), norm(channels)]


def _larger(channels_in: int, channels_out: int, up: str, up_pad: bool, bias: bool) -> list[nn.Module]:
    if up == "transposed":
        two: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1, "bias": bias}
        return [nn.ConvTranspose2d(channels_in, channels_out, 3, **two)]
    first = nn.Upsample(scale_factor=2, mode=up)
    if up_pad:
        return [first, nn.ReflectionPad2d(1), nn.Conv2d(channels_in, channels_out, 3, bias=bias)]
    return [first, nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias)]


class Worded(nn.Module):
    """Parts with names of their own, the decoder before the encoder in the alphabet; blocks padded by reflection."""

    def __init__(self) -> None:
        super().__init__()
        w = WIDTH
        reflect: dict[str, Any] = {"padding": 1, "padding_mode": "reflect"}
        self.first = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), affine_norm(w), nn.ReLU())
        self.encoder = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), affine_norm(2 * c), nn.ReLU())
            for c in (w, 2 * w)
        )
        self.inner = nn.ModuleList(
            nn.ModuleDict({f"{kind}_{i}": module(4 * w) for i in "ab" for kind, module in _kinds(reflect).items()})
            for _ in range(11)
        )
        two: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1}
        self.decoder = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(2 * c, c, 3, **two), affine_norm(c), nn.ReLU()) for c in (2 * w, w)
        )
        self.last = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for part in self.encoder:
            x = part(x)
        for block in self.inner:
            assert isinstance(block, nn.ModuleDict)
            y = block["norm_a"](block["conv_a"](x)).relu()
            x = (x + block["norm_b"](block["conv_b"](y))).relu()
        for part in self.decoder:
            x = part(x)
        out: Tensor = self.last(x)
        return out


def _kinds(padded: dict[str, Any]) -> dict[str, Callable[[int], nn.Module]]:
    return {"conv": lambda c: nn.Conv2d(c, c, 3, **padded), "norm": affine_norm}


def draw_weights(network: nn.Module, seed: int = 0) -> nn.Module:
    """Other values for everything learned, scales and shifts of norms included; in eval mode."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        small = 0.3 if parameter.ndim == 1 else 1.5 / parameter[0].numel() ** 0.5
        drawn = small * torch.randn(parameter.shape, generator=random)
        parameter.data = drawn + 1 if parameter.ndim == 1 and name.endswith("weight") else drawn
    return network.eval().requires_grad_(requires_grad=False)
