"""``python -m benchmarks.padding_forms``: whether reflection padding is cheaper in another form that OpenVINO knows.

The padding of every generator is ONNX's Pad. Here it is also written as slices that are concatenated, and as gathered
rows and columns. The bits stay equal. What a pass costs is CPU time on one stream, so that a busy machine tells about
the same; the forms take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from augengine.engines._openvino import OpenVinoBackend, core, settings
from augengine.engines.onnx_types import copy_model, fix_shape, read_model, replace_nodes, to_bytes, to_float32
from augengine.storage.atomic import write_whole
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from benchmarks.machine import machine_facts, versions

RESULT = Path("benchmarks/results/padding_forms.json")
_AXES = (2, 3)

Form = Callable[[ModelProto, NodeProto, tuple[int, int]], Iterator[NodeProto]]
"""The nodes that pad in place of a Pad node, by height and width of its input; constants go into the model."""


def gathered(model: ModelProto, pad: NodeProto, sides: tuple[int, int]) -> Iterator[NodeProto]:
    """Rows, then columns, gathered by their numbers."""
    taken = pad.input[0]
    for axis, side in zip(_AXES, sides, strict=True):
        places = _constant(model, f"{pad.name}.{axis}", np.pad(np.arange(side), _width(model, pad), mode="reflect"))
        made = pad.output[0] if axis == _AXES[-1] else f"{pad.name}.rows"
        yield helper.make_node("Gather", [taken, places], [made], axis=axis, name=f"{pad.name}.gather.{axis}")
        taken = made


def concatenated(model: ModelProto, pad: NodeProto, sides: tuple[int, int]) -> Iterator[NodeProto]:
    """Rows, then columns, as slices around what is there."""
    taken, width = pad.input[0], _width(model, pad)
    for axis, side in zip(_AXES, sides, strict=True):
        numbers = [*range(width, 0, -1), *range(side - 2, side - 2 - width, -1)]
        slices = [f"{pad.name}.{axis}.{number}" for number in numbers]
        for name, number in zip(slices, numbers, strict=True):
            ends = [
                _constant(model, f"{name}.{i}", np.array([each])) for i, each in enumerate((number, number + 1, axis))
            ]
            yield helper.make_node("Slice", [taken, *ends], [name], name=name)
        made = pad.output[0] if axis == _AXES[-1] else f"{pad.name}.rows"
        parts = [*slices[:width], taken, *slices[width:]]
        yield helper.make_node("Concat", parts, [made], axis=axis, name=f"{pad.name}.concat.{axis}")
        taken = made


FORMS: dict[str, Form | None] = {"Pad": None, "slices": concatenated, "gathered": gathered}


def rewrite(model: ModelProto, form: Form | None) -> ModelProto:
    """A model of static shape with its reflection padding in another form."""
    out, shapes = copy_model(model), {value.name: value for value in (*model.graph.value_info, *model.graph.input)}
    nodes: list[NodeProto] = []
    for node in out.graph.node:
        if form is None or node.op_type != "Pad":
            nodes.append(node)
            continue
        sizes = [each.dim_value for each in shapes[node.input[0]].type.tensor_type.shape.dim]
        nodes += form(out, node, (sizes[2], sizes[3]))
    replace_nodes(out, nodes)
    return out


def measure(side: int, rounds: int) -> dict[str, Any]:
    """CPU milliseconds of a pass of the cd68 pair in each form, and whether its bits are those of Pad."""
    hint = OpenVinoBackend().precisions()[0]
    stored = fix_shape(to_float32(read_model(find_weights("pas", "cd68", weight_roots()).to_reference)), 1, side, side)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, side, side)).astype(np.float32)
    requests = {
        name: core()
        .compile_model(core().read_model(to_bytes(rewrite(stored, form))), "CPU", settings(hint, 1))
        .create_infer_request()
        for name, form in FORMS.items()
    }
    made = {name: request.infer({0: x})[0].copy() for name, request in requests.items()}
    spent: dict[str, list[float]] = {name: [] for name in FORMS}
    for _ in range(rounds):
        for name, request in requests.items():
            began = time.process_time()
            request.infer({0: x})
            spent[name].append(time.process_time() - began)
    return {
        name: {
            "cpu_ms": round(1000 * statistics.median(values), 1),
            "equal_bits": bool(np.array_equal(made[name], made["Pad"])),
        }
        for name, values in spent.items()
    } | {"precision": hint}


def _width(model: ModelProto, pad: NodeProto) -> int:
    pads = next(tensor for tensor in model.graph.initializer if tensor.name == pad.input[1])
    return int(numpy_helper.to_array(pads)[2])


def _constant(model: ModelProto, name: str, values: np.ndarray) -> str:
    model.graph.initializer.append(numpy_helper.from_array(values.astype(np.int64), name))
    return name


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 508])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    found = {str(side): measure(side, given.rounds) for side in given.sides}
    command = "python -m benchmarks.padding_forms " + " ".join(sys.argv[1:])
    facts = {"command": command, "machine": machine_facts(), "versions": versions(["openvino"])}
    write_whole(given.out, json.dumps(facts | {"sides": found}, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
