"""The float16 graph of a generator, derived from its stored form: what is computed in float16, and what is not."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from augengine.engines.onnx_types import (
    INPUT,
    OUTPUT,
    check_graph,
    constants_of,
    convert_initialisers,
    rename_inputs,
    replace_nodes,
    scales_of,
    to_float32,
)

_NORM = "InstanceNormalization"
_CONVOLUTIONS = ("Conv", "ConvTranspose")
_MAX_HALF = float(np.finfo(np.float16).max)
_ROUNDED = 0.01
"""Share of a constant that may be lost in float16; an epsilon of 1e-8 is lost whole."""


def to_float16(model: ModelProto, *, float32_norm: bool = True) -> ModelProto:
    """A graph that computes in float16 between a float32 input and a float32 output.

    The last tanh runs in float32, since a float16 output near 1 has steps of 5e-4. A graph with constants that
    float16 cannot hold (an epsilon of 1e-8, a mask of -1e9) computes its convolutions in float16 and the rest in
    float32: what such constants guard against happens in the values around them too.

    Args:
        model: The stored form or the float32 form.
        float32_norm: Run InstanceNormalization in float32, between Casts: its sums over an image are where
            float16 loses most.

    Raises:
        WeightsError: A weight of a convolution or a norm beyond float16.
    """
    out = to_float32(model)
    made = _half_convolutions(out) if _beyond_half(out) else _half_throughout(out, float32_norm=float32_norm)
    return check_graph(made, "the float16 form")


def _half_throughout(out: ModelProto, *, float32_norm: bool) -> ModelProto:
    norm_weights = {name for node in out.graph.node if node.op_type == _NORM for name in node.input[1:]}
    keep = scales_of(out) | (norm_weights if float32_norm else set())
    convert_initialisers(out, TensorProto.FLOAT, np.float16, keep=keep)
    nodes = [_cast(INPUT, f"{INPUT}.half", TensorProto.FLOAT16)]
    for node in out.graph.node:
        rename_inputs([node], {INPUT: f"{INPUT}.half"})
        if list(node.output) == [OUTPUT]:
            nodes += _output_island(node)
        elif node.op_type == _NORM and float32_norm:
            nodes += _norm_island(node)
        else:
            nodes.append(node)
    replace_nodes(out, nodes)
    return out


def _beyond_half(model: ModelProto) -> bool:
    """Whether a constant that is no weight loses its value in float16."""
    return any(_is_lost(numpy_helper.to_array(tensor)) for tensor in constants_of(model))


def _is_lost(values: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16).astype(np.float64)
    return bool(
        (np.abs(rounded - values) > _ROUNDED * np.abs(values)).any() or np.abs(values).max(initial=0) > _MAX_HALF
    )


def _half_convolutions(out: ModelProto) -> ModelProto:
    """Convolutions as float16 islands in a float32 graph."""
    weights = {name for node in out.graph.node if node.op_type in _CONVOLUTIONS for name in node.input[1:] if name}
    others = {name for node in out.graph.node if node.op_type not in _CONVOLUTIONS for name in node.input}
    stored = {tensor.name for tensor in out.graph.initializer}
    keep = {tensor.name for tensor in out.graph.initializer} - (weights - others)
    convert_initialisers(out, TensorProto.FLOAT, np.float16, keep=keep)
    cast: set[str] = set()
    nodes: list[NodeProto] = []
    for node in out.graph.node:
        if node.op_type in _CONVOLUTIONS:
            float32 = [name for name in node.input if name and (name not in stored or name in keep)]
            nodes += [_cast(name, f"{name}.half", TensorProto.FLOAT16) for name in float32 if name not in cast]
            cast |= set(float32)
            rename_inputs([node], {name: f"{name}.half" for name in float32})
            made = node.output[0]
            node.output[0] = f"{made}.made"
            nodes += [node, _cast(f"{made}.made", made, TensorProto.FLOAT)]
        else:
            nodes.append(node)
    replace_nodes(out, nodes)
    return out


def _cast(source: str, target: str, to: int) -> NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast {target}", to=to)


def _norm_island(node: NodeProto) -> list[NodeProto]:
    before, after = f"{node.output[0]}.in", node.output[0]
    casts = _cast(node.input[0], before, TensorProto.FLOAT), _cast(f"{after}.out", after, TensorProto.FLOAT16)
    node.input[0], node.output[0] = before, f"{after}.out"
    return [casts[0], node, casts[1]]


def _output_island(node: NodeProto) -> list[NodeProto]:
    if node.op_type == "Tanh":
        cast = _cast(node.input[0], f"{OUTPUT}.in", TensorProto.FLOAT)
        node.input[0] = f"{OUTPUT}.in"
        return [cast, node]
    node.output[0] = f"{OUTPUT}.half"
    return [node, _cast(f"{OUTPUT}.half", OUTPUT, TensorProto.FLOAT)]
