"""Which convolutions bear 8-bit integers? ``python -m benchmarks.int8_layers --stain hdab``

Every convolution of both generators in turn is computed as int8 arithmetic would: its input rounded to 256 levels over
the range seen on the tiles, its weights to 255 levels a channel, sums exact, all else float32. What it costs is
measured as the noise that would do as much (`augengine.engines.fidelity`). Then layers are added, the mildest first a
multiplication, until the noise budget is spent. It writes ``benchmarks/results/int8_layers.json``.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from augengine.build import Tiles
from augengine.chain.base import Translators
from augengine.engines.fidelity import EPS_SHARE, Budget, measure
from augengine.sources import open_source
from augengine.stains import BUILT_IN
from benchmarks.machine import machine_facts, versions
from train.pairs import TorchPair, load_pair

RESULT = Path(__file__).parent / "results" / "int8_layers.json"
EPS = 0.05
_LEVELS, _WEIGHT_LEVEL = 255, 127

FloatBatch = NDArray[np.float32]
Ranges = dict[str, tuple[float, float]]
"""Convolution -> smallest and largest value of its input."""


class TorchEngine:
    """A torch generator as an engine, float32 on the CPU; see `augengine.engines.base.Engine`."""

    device = "cpu"

    def __init__(self, network: nn.Module, side: int) -> None:
        self.network, self.height, self.width, self.batch = network, side, side, 1

    def __call__(self, x_nchw: FloatBatch, out_nchw: FloatBatch, *, stream: int = 0) -> None:  # noqa: ARG002
        """Translate a batch."""
        with torch.inference_mode():
            out_nchw[...] = self.network(torch.from_numpy(x_nchw)).numpy()

    def close(self) -> None:
        """Nothing is held."""


def as_engines(pair: TorchPair, side: int) -> Translators:
    """Both generators of a pair as engines."""
    there, back = (TorchEngine(each, side) for each in (pair.to_reference, pair.from_reference))
    return Translators(to_reference=there, from_reference=back)


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d | nn.ConvTranspose2d]:
    """Name -> convolution, in the order of the network."""
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)}


def watch(network: nn.Module, x_nchw: FloatBatch) -> tuple[Ranges, dict[str, float]]:
    """The range of every convolution's input over a batch, and its share of the multiplications."""
    ranges: Ranges = {}
    products: dict[str, float] = {}

    def note(name: str, layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, y: Tensor) -> None:
        low, high = ranges.get(name, (0.0, 0.0))
        ranges[name] = min(low, float(x.min())), max(high, float(x.max()))
        # A convolution multiplies a kernel for each place of its output, a transposed one for each of its input.
        places = (x if isinstance(layer, nn.ConvTranspose2d) else y).shape[-2:]
        products[name] = float(layer.weight.numel() * places.numel())

    hooks = [
        layer.register_forward_hook(lambda m, x, y, name=name: note(name, m, x[0], y))
        for name, layer in convolutions(network).items()
    ]
    for x in x_nchw:
        with torch.inference_mode():
            network(torch.from_numpy(x[np.newaxis]))
    for hook in hooks:
        hook.remove()
    total = sum(products.values())
    return ranges, {name: value / total for name, value in products.items()}


def with_int8(network: nn.Module, names: Sequence[str], ranges: Ranges) -> nn.Module:
    """A copy whose named convolutions round their inputs and weights as int8 arithmetic would."""
    changed = copy.deepcopy(network)
    for name, layer in convolutions(changed).items():
        if name in names:
            layer.weight.data = round_weights(layer)
            low, high = ranges[name]
            layer.register_forward_pre_hook(lambda _, x, low=low, high=high: (round_input(x[0], low, high),))
    return changed


def round_weights(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """Symmetric, a scale for each output channel."""
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    weight = layer.weight.detach()
    scale = weight.abs().amax(dim=[d for d in range(4) if d != axis], keepdim=True).clamp_min(1e-12) / _WEIGHT_LEVEL
    return (weight / scale).round() * scale


def round_input(x: Tensor, low: float, high: float) -> Tensor:
    """256 levels over a range that holds 0, which padding needs exactly."""
    scale = max(high - low, 1e-12) / _LEVELS
    zero = round(-low / scale)
    return ((x / scale).round() + zero).clamp(0, _LEVELS).sub(zero) * scale


class Trial:
    """A pair, tiles, and what int8 in some of its layers costs.

    Attributes:
        shares: Convolution -> its share of a generator's multiplications.
        ranges: Of the inputs of G_BA's convolutions and of G_AB's.
    """

    def __init__(self, pair: TorchPair, tiles_nchw: FloatBatch) -> None:
        self._pair, self._tiles, self._side = pair, tiles_nchw, tiles_nchw.shape[-1]
        with torch.inference_mode():
            a = np.concatenate([pair.to_reference(torch.from_numpy(x[np.newaxis])).numpy() for x in tiles_nchw])
        there, self.shares = watch(pair.to_reference, tiles_nchw)
        back, _ = watch(pair.from_reference, a)
        self.ranges = there, back

    def cost(self, names: Sequence[str]) -> Budget:
        """Of the named layers in both generators."""
        low = TorchPair(
            to_reference=with_int8(self._pair.to_reference, names, self.ranges[0]),
            from_reference=with_int8(self._pair.from_reference, names, self.ranges[1]),
        )
        plain, changed = (as_engines(pair, self._side) for pair in (self._pair, low))
        return measure(plain, changed, self._tiles, precision="float32")

    def spend(self, costs: dict[str, float], most: float) -> Iterator[tuple[str, float]]:
        """Layers added one after the other, the mildest a multiplication first, with the sigma of all so far."""
        taken: list[str] = []
        for name in sorted(costs, key=lambda each: costs[each] ** 2 / self.shares[each]):
            if (sigma := self.cost([*taken, name]).equivalent_sigma) <= most:
                taken.append(name)
                yield name, sigma


def find_out(pair: TorchPair, tiles_nchw: FloatBatch) -> dict[str, Any]:
    """Every layer alone, all at once, and the largest set within the budget."""
    trial, budget = Trial(pair, tiles_nchw), EPS_SHARE * EPS
    costs = {name: trial.cost([name]).equivalent_sigma for name in trial.shares}
    spent = list(trial.spend(costs, budget))
    share = sum(trial.shares[name] for name, _ in spent)
    return {
        "layers": {
            name: {"share_of_products": round(trial.shares[name], 4), "equivalent_sigma": _number(sigma)}
            for name, sigma in costs.items()
        },
        "all_layers_equivalent_sigma": _number(trial.cost(list(costs)).equivalent_sigma),
        "budget": budget,
        "within_budget": [name for name, _ in spent],
        "within_budget_equivalent_sigma": _number(spent[-1][1]) if spent else 0.0,
        "within_budget_share_of_products": round(share, 4),
        # int8 multiplies twice as much a cycle as bfloat16, where a processor has both.
        "most_gain_over_bfloat16": round(1 / (1 - share / 2), 3),
    }


def _number(sigma: float) -> float | None:
    return None if math.isinf(sigma) else float(f"{sigma:.3g}")


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.int8_layers")
    parser.add_argument("--stain", default="hdab", help="a pair of the package; its tiles come with it for hdab")
    parser.add_argument("--in", dest="source", help="tiles of this stain; the package's own if not given")
    for option, default in (("tiles", 4), ("side", 256), ("threads", 2)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    source = open_source(chosen.source, stain=chosen.stain)
    tiles = Tiles(source=source, listing=source.scan(), stain=BUILT_IN[chosen.stain])
    taken = tiles.take(chosen.tiles, chosen.side, chosen.side)
    if taken is None:
        sys.exit(f"no tiles of {chosen.stain}: give some with --in")
    torch.set_num_threads(chosen.threads)
    found = find_out(load_pair("pas", chosen.stain), taken)
    result = {
        "command": "python -m benchmarks.int8_layers " + " ".join(sys.argv[1:]),
        "what": "the noise that would do as much as int8 in a convolution of both generators, all else float32",
        "tiles": len(taken),
        **found,
        "machine": machine_facts(),
        "versions": versions(("augengine", "torch")),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in found.items() if key != "layers"}, indent=1))


if __name__ == "__main__":
    main()
