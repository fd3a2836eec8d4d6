"""An ONNX file of anybody's as a graph of ours: float32, input ``x``, output ``y``, sides left open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
    shape_inference,
)

from augengine.engines.onnx_tensors import why_refused
from augengine.engines.onnx_types import INPUT, OUTPUT, recipe_of, store_half, tidy, to_float16, to_float32
from augengine.errors import CheckpointError, WeightsError

LOWEST_OPSET = 11

MAX_VALUES = 1 << 28
"""Elements of any value in a graph at 64 x 64 px, 1 GB in float32; a generator's largest has 262 144 there."""

_SMALL = (1, 3, 64, 64)
_AGAIN = (
    "export it again: float32, input and output (N, 3, H, W) in [-1, 1] with dynamic N, H and W, opset 17 or later "
    "(tf2onnx: inputs_as_nchw and outputs_as_nchw)"
)

Graph = ModelProto
"""A network in ONNX."""

_CONSTANTS = ("value", "value_float", "value_floats", "value_int", "value_ints")
_GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)


def read_foreign(path: Path) -> ModelProto:
    """Read a generator of unknown make.

    Raises:
        CheckpointError: Unreadable, or not a float32 graph from (N, 3, H, W) to the same.
    """
    model = _load(path)
    _check_operators(model, path)
    given, made = _ends(model, path)
    for value in (given, made):
        _check_end(value, path)
    _lift_constants(model, path)
    del model.graph.input[:]
    model.graph.input.append(given)
    _rename(model, {given.name: INPUT, made.name: OUTPUT})
    try:
        read = to_float32(tidy(model, _recipe(model)))
    except WeightsError as error:
        raise CheckpointError(f"{path}: {error.message}", hint=_AGAIN) from error
    _check_sizes(read, path)
    return read


def stored_form(model: ModelProto, path: Path) -> ModelProto:
    """The stored form, from which engines in every precision can be derived.

    Raises:
        CheckpointError: They cannot.
    """
    try:
        stored = store_half(model)
        for float32_norm in (True, False):
            to_float16(stored, float32_norm=float32_norm)
    except WeightsError as error:
        raise CheckpointError(f"{path} cannot be run in every precision: {error.message}", hint=_AGAIN) from error
    return stored


def _load(path: Path) -> ModelProto:
    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as error:
        raise CheckpointError(
            f"cannot read {path} as ONNX: {error}", hint="copy it again, or export it anew"
        ) from error
    if reason := why_refused(model):
        raise CheckpointError(f"{path} {reason}", hint="export it with its weights inside, all of them")
    return model


def _check_operators(model: ModelProto, path: Path) -> None:
    graph = model.graph
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset < LOWEST_OPSET:
        raise CheckpointError(f"{path} is of opset {opset}, read are {LOWEST_OPSET} and later", hint=_AGAIN)
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or "Quantize" in node.op_type or "QLinear" in node.op_type:
            raise CheckpointError(f"{path} has the operator {node.domain}:{node.op_type}", hint=_AGAIN)
        if any(attribute.type in _GRAPHS for attribute in node.attribute):
            raise CheckpointError(f"{path} has control flow, the operator {node.op_type}", hint=_AGAIN)


def _ends(model: ModelProto, path: Path) -> tuple[ValueInfoProto, ValueInfoProto]:
    weights = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in weights]
    made = list(model.graph.output)
    if len(given) != 1 or len(made) != 1:
        names = [value.name for value in given], [value.name for value in made]
        raise CheckpointError(f"{path} has the inputs and outputs {names}, expected one of each", hint=_AGAIN)
    return given[0], made[0]


def _check_end(value: ValueInfoProto, path: Path) -> None:
    kind = value.type.tensor_type
    shape = [side.dim_value or side.dim_param or "?" for side in kind.shape.dim]
    if kind.elem_type != TensorProto.FLOAT:
        seen = TensorProto.DataType.Name(kind.elem_type)
        raise CheckpointError(f"{path}: {value.name} is of type {seen}, expected FLOAT", hint=_AGAIN)
    if len(shape) != 4 or (shape[1] != 3 and (shape[3] == 3 or isinstance(shape[1], int))):
        raise CheckpointError(f"{path}: {value.name} is {tuple(shape)}, expected (N, 3, H, W)", hint=_AGAIN)


def _check_sizes(model: ModelProto, path: Path) -> None:
    """Refuse a graph that would fill the memory for a small image, as far as shapes can be inferred."""
    small = ModelProto()
    small.CopyFrom(model)
    small.graph.input[0].CopyFrom(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, _SMALL))
    for value in shape_inference.infer_shapes(small, data_prop=True).graph.value_info:
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        if math.prod(sides) > MAX_VALUES:
            raise CheckpointError(f"{path}: {value.name} has the shape {tuple(sides)} for an image of 64 x 64 px")


def _lift_constants(model: ModelProto, path: Path) -> None:
    """Constants as initialisers, where the change of types finds them."""
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        if node.op_type == "Constant":
            model.graph.initializer.append(_tensor(node, path))
        else:
            model.graph.node.append(node)


def _tensor(constant: NodeProto, path: Path) -> TensorProto:
    names = [attribute.name for attribute in constant.attribute]
    if len(names) != 1 or names[0] not in _CONSTANTS or len(constant.output) != 1:
        raise CheckpointError(f"{path} has a constant made of {names}, read is one of {_CONSTANTS}", hint=_AGAIN)
    (attribute,) = constant.attribute
    value = helper.get_attribute_value(attribute)
    kind = np.float32 if attribute.name.startswith("value_float") else np.int64
    tensor: TensorProto = value if attribute.name == "value" else numpy_helper.from_array(np.array(value, dtype=kind))
    tensor.name = constant.output[0]
    return tensor


def _rename(model: ModelProto, names: Mapping[str, str]) -> None:
    """Give the ends their names; other values of those names make way."""
    taken = {name: f"{name}.inner" for name in (INPUT, OUTPUT)} | dict(names)
    for node in model.graph.node:
        node.input[:] = [taken.get(name, name) for name in node.input]
        node.output[:] = [taken.get(name, name) for name in node.output]
    for value in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        value.name = taken.get(value.name, value.name)


def _recipe(model: ModelProto) -> dict[str, Any]:
    """What an earlier export of ours says, else nothing."""
    try:
        return recipe_of(model)
    except WeightsError:
        return {}
