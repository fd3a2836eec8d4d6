"""Whether torch's CPU gradients are right in channels_last: of conv, InstanceNorm2d, conv, against float64.

Run: ``python -m benchmarks.channels_last``. Decision 13 rests on it: with a batch of 1 torch 2.13 is wrong. Once every
number is small, training on a CPU may use channels_last again.
"""

from __future__ import annotations

import copy
import json
import sys

import torch
from torch import Tensor, nn

SIDE = 32


def gradient(net: nn.Sequential, x: Tensor) -> Tensor:
    """Gradient of the first layer's weights, as float64, for a loss that weighs every output differently."""
    net = copy.deepcopy(net)
    y = net(x)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
    (y * weights).sum().backward()
    found = next(net.parameters()).grad
    assert found is not None
    return found.double()


def error(batch: int, memory_format: torch.memory_format) -> float:
    """How far the float32 gradient is off, as a share of its length."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.InstanceNorm2d(8), nn.Conv2d(8, 3, 3, padding=1))
    x = torch.randn(batch, 3, SIDE, SIDE)
    exact = gradient(copy.deepcopy(net).double(), x.double())
    net = net.to(memory_format=memory_format)  # type: ignore[call-overload]
    found = gradient(net, x.contiguous(memory_format=memory_format))
    return float((found - exact).norm() / exact.norm())


def main() -> None:
    """Print the error for each batch and memory format."""
    formats = {"plain": torch.contiguous_format, "channels_last": torch.channels_last}
    result = {f"{name}, batch {batch}": error(batch, form) for batch in (1, 2) for name, form in formats.items()}
    sys.stdout.write(json.dumps({"torch": torch.__version__, **result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
