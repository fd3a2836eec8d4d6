"""What int8 in the residual blocks gains over bfloat16 in OpenVINO, and costs: ``python -m benchmarks.int8_engine``

A trial, not an engine of the package: the stored graph with quantisation nodes before the named convolutions, ranges as
seen on the tiles, compiled as our engines are, all else bfloat16. On the trained pair its error is given as the noise
that would do as much; on random weights of 64 channels and 9 blocks the rate alone. Contenders take turns. It writes
``benchmarks/results/int8_engine.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from openvino import opset13
from torch import nn

from augengine.build import Tiles
from augengine.cards import DIRECTIONS, find_weights, weight_roots
from augengine.chain.base import Translators
from augengine.chain.translate import run_engine
from augengine.engines._openvino import OpenVinoEngine, core, settings
from augengine.engines.base import EngineSpec
from augengine.engines.fidelity import EPS_SHARE, measure
from augengine.engines.onnx_types import fix_shape, read_model, save, to_float32
from augengine.machine import cpu_threads
from augengine.sources import open_source
from augengine.spec import Precision
from augengine.stains import BUILT_IN
from benchmarks.int8_layers import EPS, FloatBatch, Ranges, Trial, convolutions
from benchmarks.machine import machine_facts, versions
from benchmarks.rounds import Contender, interleave, ratio, row
from benchmarks.speed.material import Material, Size
from train.pairs import TorchPair, load_pair

RESULT = Path(__file__).parent / "results" / "int8_engine.json"
_STAIN = "hdab"
_CONVOLUTIONS = ("Convolution", "ConvolutionBackpropData")


class Graphs:
    """Both generators as stored, to be compiled with int8 in some of their convolutions.

    Args:
        files: G_BA and G_AB as ONNX.
        pair: The same as torch modules.
        tiles_nchw: Of the stain, float32 in [-1, 1]: their size is the engines', their values give the ranges.
    """

    def __init__(self, files: Sequence[Path], pair: TorchPair, tiles_nchw: FloatBatch) -> None:
        self.tiles_nchw, self._files = tiles_nchw, files
        self._networks: tuple[nn.Module, nn.Module] = pair.to_reference, pair.from_reference
        self.trial = Trial(pair, tiles_nchw)
        self._ranges = self.trial.ranges

    def compile(self, names: Sequence[str], precision: Precision) -> Translators:
        """Both engines, int8 in the named convolutions."""
        there, back = (
            self._compile(*each, names, precision)
            for each in zip(self._files, self._networks, self._ranges, strict=True)
        )
        return Translators(to_reference=there, from_reference=back)

    def _compile(
        self, file: Path, network: nn.Module, ranges: Ranges, names: Sequence[str], precision: Precision
    ) -> OpenVinoEngine:
        height, width = self.tiles_nchw.shape[2:]
        with tempfile.TemporaryDirectory() as folder:
            fixed = Path(folder) / "model.onnx"
            save(fix_shape(to_float32(read_model(file)), 1, height, width), fixed)
            model = core().read_model(fixed)
            quantise(model, list(convolutions(network)), names, ranges)
            compiled = core().compile_model(model, "CPU", settings(precision, cpu_threads()))
        return OpenVinoEngine(compiled, EngineSpec(precision=precision, height=height, width=width, batch=1))


def quantise(model: Any, order: Sequence[str], names: Sequence[str], ranges: Ranges) -> None:
    """Put quantisation nodes before the named convolutions of an OpenVINO model, whose convolutions have this order."""
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() in _CONVOLUTIONS]
    for name, node in zip(order, nodes, strict=True):
        if name in names:
            low, high = (np.full((1, 1, 1, 1), value, np.float32) for value in ranges[name])
            x = opset13.fake_quantize(node.input_value(0), low, high, low, high, 256)
            weight = np.asarray(node.input_value(1).get_node().data, np.float32)
            axis = 0 if node.get_type_name() == "Convolution" else 1
            most = np.abs(weight).max(axis=tuple(each for each in range(4) if each != axis), keepdims=True)
            rounded = opset13.fake_quantize(opset13.constant(weight), -most, most, -most, most, 255)
            node.input(0).replace_source_output(x.output(0))
            node.input(1).replace_source_output(rounded.output(0))
    model.validate_nodes_and_infer_types()


def trained(side: int, tiles: int, rounds: int) -> dict[str, Any]:
    """The package's pair: rates and equivalent sigmas of int8 in all residual blocks, and in as many as fit."""
    source = open_source(None, stain=_STAIN)
    taken = Tiles(source=source, listing=source.scan(), stain=BUILT_IN[_STAIN]).take(tiles, side, side)
    assert taken is not None, "the package's own tiles"
    weights = find_weights("pas", _STAIN, weight_roots(None))
    graphs = Graphs([weights.path(direction) for direction in DIRECTIONS], load_pair("pas", _STAIN), taken)
    blocks = mildest_first(graphs.trial)
    reference = graphs.compile([], "float32")
    pairs = {"bfloat16": graphs.compile([], "bfloat16")}
    pairs[_name(len(blocks))] = graphs.compile(blocks, "bfloat16")
    sigmas = {name: _sigma(reference, pair, taken) for name, pair in pairs.items()}
    for count in range(len(blocks) - 1, 0, -1):
        pair = graphs.compile(blocks[:count], "bfloat16")
        if (sigma := _sigma(reference, pair, taken)) <= EPS_SHARE * EPS:
            pairs[_name(count)], sigmas[_name(count)] = pair, sigma
            break
    rows = rates({"float32": reference, **pairs}, taken, rounds)
    return {name: each | {"equivalent_sigma": sigmas.get(name, 0.0)} for name, each in rows.items()}


def mildest_first(trial: Trial) -> list[str]:
    """The convolutions of the residual blocks by what int8 in each alone costs."""
    return sorted((n for n in trial.shares if "conv_block" in n), key=lambda n: trial.cost([n]).error_chain)


def random(side: int, rounds: int) -> dict[str, Any]:
    """64 channels, 9 blocks, random weights: rates alone."""
    with tempfile.TemporaryDirectory() as folder:
        size = Size(side=side, width=64, blocks=9, images=2)
        material = Material(size=size, folder=Path(folder), threads=cpu_threads())
        there, back = material.generators
        x = np.random.default_rng(0).uniform(-1, 1, (2, 3, side, side)).astype(np.float32)
        graphs = Graphs(material.onnx(), TorchPair(to_reference=there, from_reference=back), x)
        blocks = [name for name in graphs.trial.shares if "conv_block" in name]
        pairs = {"bfloat16": graphs.compile([], "bfloat16"), _name(len(blocks)): graphs.compile(blocks, "bfloat16")}
        return rates(pairs, x, rounds)


def rates(pairs: dict[str, Translators], tiles_nchw: FloatBatch, rounds: int) -> dict[str, Any]:
    """Of G_BA, in turns; and how many times the rate of bfloat16."""
    x = np.concatenate([tiles_nchw] * 4)
    out = np.empty_like(x)
    contenders = [
        Contender(name=name, run=partial(run_engine, pair.to_reference, x, out), images=len(x))
        for name, pair in pairs.items()
    ]
    seconds = interleave(contenders, rounds)
    return {
        each.name: row(each, seconds[each.name], {}) | {"over_bfloat16": ratio(seconds[each.name], seconds["bfloat16"])}
        for each in contenders
    }


def _sigma(reference: Translators, pair: Translators, tiles_nchw: FloatBatch) -> float:
    return float(f"{measure(reference, pair, tiles_nchw, precision='bfloat16').equivalent_sigma:.3g}")


def _name(count: int) -> str:
    return f"int8 in {count} convolutions of the residual blocks, else bfloat16"


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.int8_engine")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 508])
    for option, default in (("tiles", 4), ("rounds", 5)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    torch.set_num_threads(cpu_threads())
    result = {
        "command": "python -m benchmarks.int8_engine " + " ".join(sys.argv[1:]),
        "what": "images a second through G_BA, medians over rounds, and the noise that does as much as the error",
        "trained": {str(side): trained(side, chosen.tiles, chosen.rounds) for side in chosen.sides},
        "random_weights": {str(side): random(side, chosen.rounds) for side in chosen.sides},
        "budget": EPS_SHARE * EPS,
        "machine": machine_facts(),
        "versions": versions(("augengine", "openvino", "torch")),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: result[name] for name in ("trained", "random_weights")}, indent=1))


if __name__ == "__main__":
    main()
