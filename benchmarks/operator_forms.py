"""``python -m benchmarks.operator_forms``: whether paddings and norms are cheaper in another form that OpenVINO knows.

The reflection padding of every generator is ONNX's Pad. Here it is also written as slices that are concatenated, and as
gathered rows and columns. The norm is InstanceNormalization. Here it is also written out with the mean of squares. (As
GroupNormalization with one channel per group, OpenVINO 2026.4.1 dies by a segmentation fault while it compiles.) CPU
time on one stream is measured, so that a busy machine tells about the same. The forms take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from augengine.engines._openvino import OpenVinoBackend, core, settings
from augengine.engines._openvino_peaks import measure_form
from augengine.engines.onnx_int8 import to_int8
from augengine.engines.onnx_types import INPUT, copy_model, fix_shape, read_model, replace_nodes, to_bytes, to_float32
from augengine.storage.atomic import write_whole
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from benchmarks.machine import machine_facts, versions

RESULT = Path("benchmarks/results/operator_forms.json")
_AXES = (2, 3)
_EPSILON = 1e-5

Form = Callable[[ModelProto, NodeProto, tuple[int, ...]], Iterator[NodeProto]]
"""The nodes that stand in for another, by the shape of its input; constants go into the model."""


def gathered(model: ModelProto, pad: NodeProto, shape: tuple[int, ...]) -> Iterator[NodeProto]:
    """Rows, then columns, gathered by their numbers."""
    taken = pad.input[0]
    for axis, side in zip(_AXES, shape[2:], strict=True):
        places = _constant(model, f"{pad.name}.{axis}", np.pad(np.arange(side), _width(model, pad), mode="reflect"))
        made = pad.output[0] if axis == _AXES[-1] else f"{pad.name}.rows"
        yield helper.make_node("Gather", [taken, places], [made], axis=axis, name=f"{pad.name}.gather.{axis}")
        taken = made


def concatenated(model: ModelProto, pad: NodeProto, shape: tuple[int, ...]) -> Iterator[NodeProto]:
    """Rows, then columns, as slices around what is there."""
    taken, width = pad.input[0], _width(model, pad)
    for axis, side in zip(_AXES, shape[2:], strict=True):
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


def written_out(model: ModelProto, norm: NodeProto, shape: tuple[int, ...]) -> Iterator[NodeProto]:  # noqa: ARG001 - the seam's signature
    """One pass for both sums: x * rate - mean * rate, where the rate is 1 / sqrt(mean of x^2 - mean^2 + epsilon)."""
    axes = _constant(model, f"{norm.name}.axes", np.array(_AXES))
    epsilon = _constant(model, f"{norm.name}.epsilon", np.array(_EPSILON, np.float32))
    x, own = norm.input[0], norm.name
    for kind, inputs, made in (
        ("ReduceMean", [x, axes], "mean"),
        ("Mul", [x, x], "square"),
        ("ReduceMean", [f"{own}.square", axes], "square.mean"),
        ("Mul", [f"{own}.mean", f"{own}.mean"], "mean.square"),
        ("Sub", [f"{own}.square.mean", f"{own}.mean.square"], "variance"),
        ("Add", [f"{own}.variance", epsilon], "more"),
        ("Sqrt", [f"{own}.more"], "root"),
        ("Reciprocal", [f"{own}.root"], "rate"),
        ("Mul", [f"{own}.mean", f"{own}.rate"], "shift"),
        ("Mul", [x, f"{own}.rate"], "scaled"),
    ):
        yield helper.make_node(kind, inputs, [f"{own}.{made}"], name=f"{own}.{made}")
    yield helper.make_node("Sub", [f"{own}.scaled", f"{own}.shift"], [norm.output[0]], name=own)


FORMS: Mapping[str, tuple[str, Form] | None] = {
    "as it is": None,
    "padding as slices": ("Pad", concatenated),
    "padding gathered": ("Pad", gathered),
    "norm written out": ("InstanceNormalization", written_out),
}
"""Name -> the operator that is replaced, and by what."""


def rewrite(model: ModelProto, form: tuple[str, Form] | None) -> ModelProto:
    """A model of static shape with one of its operators in another form."""
    out, shapes = copy_model(model), {value.name: value for value in (*model.graph.value_info, *model.graph.input)}
    if form is None:
        return out
    replaced, make = form
    nodes: list[NodeProto] = []
    for node in out.graph.node:
        if node.op_type != replaced:
            nodes.append(node)
            continue
        nodes += make(out, node, tuple(each.dim_value for each in shapes[node.input[0]].type.tensor_type.shape.dim))
    replace_nodes(out, nodes)
    return out


def measure(side: int, rounds: int, *, int8: bool) -> dict[str, Any]:
    """CPU milliseconds of a pass of the cd68 pair in each form, and how far its output is from that of `as it is`.

    Args:
        side: Of the image, px.
        rounds: How often each form runs.
        int8: Whether the convolutions of the residual blocks run in int8.
    """
    hint = OpenVinoBackend().precisions()[0]
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, side, side)).astype(np.float32)
    stored = _stored(x, int8=int8)
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
    own, right = "as it is", {name: _in_onnxruntime(rewrite(stored, form), x) for name, form in FORMS.items()}
    return {
        name: {
            "cpu_ms": round(1000 * statistics.median(values), 1),
            "times": round(statistics.median(a / b for a, b in zip(values, spent[own], strict=True)), 3),
            "rms_apart": _rms(made[name] - made[own]),
            "rms_apart_in_onnxruntime": _rms(right[name] - right[own]),
        }
        for name, values in spent.items()
    } | {"precision": f"int8 and {hint}" if int8 else hint}


def _rms(difference: NDArray[np.float32]) -> float:
    return float(f"{np.sqrt(np.square(difference).mean()):.2g}")


def _in_onnxruntime(model: ModelProto, x_nchw: NDArray[np.float32]) -> NDArray[np.float32]:
    """The graph's output in another runtime, which changes nothing in it: so two forms can be compared."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
    made: NDArray[np.float32] = session.run(None, {INPUT: x_nchw})[0]
    return made


def _stored(x_nchw: NDArray[np.float32], *, int8: bool) -> ModelProto:
    """G_BA of the cd68 pair in the size of an image, in float32 or between quantisations."""
    file = find_weights("pas", "cd68", weight_roots()).to_reference
    model = to_float32(read_model(file))
    if int8:
        model = to_int8(model, measure_form(file, x_nchw, OpenVinoBackend().precisions()[0]), unsigned=True)
    return fix_shape(model, 1, *x_nchw.shape[2:])


def _width(model: ModelProto, pad: NodeProto) -> int:
    pads = next(tensor for tensor in model.graph.initializer if tensor.name == pad.input[1])
    return int(numpy_helper.to_array(pads)[2])


def _constant(model: ModelProto, name: str, values: np.ndarray) -> str:
    model.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 508])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    kinds = (False, True) if not OpenVinoBackend().why_no_int8() else (False,)
    found = {str(side): [measure(side, given.rounds, int8=each) for each in kinds] for side in given.sides}
    command = "python -m benchmarks.operator_forms " + " ".join(sys.argv[1:])
    facts = {"command": command, "machine": machine_facts(), "versions": versions(["openvino"])}
    write_whole(given.out, json.dumps(facts | {"sides": found}, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
