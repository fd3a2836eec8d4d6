"""Repairs of foreign ONNX graphs that change no value: other orders of the axes, names, constants, dropout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from augengine.engines.onnx_types import INPUT, OUTPUT
from augengine.errors import CheckpointError

AGAIN = (
    "export it again in eval mode: float32, input and output (N, 3, H, W) or (N, H, W, 3) in [-1, 1] with dynamic N, H "
    "and W, opset 17 or later"
)

_CONSTANTS = ("value", "value_float", "value_floats", "value_int", "value_ints")
_GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
_UNCOUNTED = (
    *("ConvInteger", "MatMulInteger", "LSTM", "GRU", "RNN", "Det", "STFT"),
    *("NonMaxSuppression", "Unique", "TfIdfVectorizer", "StringNormalizer"),
)
"""No generator of images has them, and `augengine.importing.cost` does not count what they cost."""

_TRAINS = ("BatchNormalization", "Dropout")
_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def check_operators(model: ModelProto, path: Path) -> None:
    """Refuse operators that are not of ONNX itself, that quantise, branch, draw, compute in float16 or are no image's.

    Raises:
        CheckpointError: There is one.
    """
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or "Quantize" in node.op_type or "QLinear" in node.op_type:
            raise CheckpointError(f"{path} has the operator {node.domain}:{node.op_type}", hint=AGAIN)
        if any(attribute.type in _GRAPHS for attribute in node.attribute):
            raise CheckpointError(f"{path} has control flow, the operator {node.op_type}", hint=AGAIN)
        if node.op_type in _UNCOUNTED:
            raise CheckpointError(f"{path} has the operator {node.op_type}, which no generator has", hint=AGAIN)
        if node.op_type in _RANDOM:
            raise CheckpointError(f"{path} draws random numbers, by the operator {node.op_type}", hint=AGAIN)
    if what := _float16_inside(model):
        raise CheckpointError(
            f"{path} computes in float16 inside: {what}",
            hint="export the float32 network, and leave out the conversion to float16: augengine derives its own",
        )


def _float16_inside(model: ModelProto) -> str:
    """What computes in float16; weights that are cast to float32 before their use are only stored so."""
    half = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    for node in model.graph.node:
        casts = node.op_type == "Cast"
        to = next((each.i for each in node.attribute if each.name == "to"), 0)
        if casts and to in (TensorProto.FLOAT16, TensorProto.BFLOAT16):
            return f"the operator Cast {node.name}".rstrip()
        if not casts and half & set(node.input):
            return f"the weights of the operator {node.op_type} {node.name}".rstrip()
    return ""


def lift_constants(model: ModelProto, path: Path) -> None:
    """Make constants initialisers, where the change of types finds them."""
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
        raise CheckpointError(f"{path} has a constant made of {names}, read is one of {_CONSTANTS}", hint=AGAIN)
    (attribute,) = constant.attribute
    value = helper.get_attribute_value(attribute)
    kind = np.float32 if attribute.name.startswith("value_float") else np.int64
    tensor: TensorProto = value if attribute.name == "value" else numpy_helper.from_array(np.array(value, dtype=kind))
    tensor.name = constant.output[0]
    return tensor


def leave_training(model: ModelProto, path: Path) -> bool:
    """Switch dropout off where it was exported in training mode; constants were lifted before.

    Returns:
        Whether there was any.

    Raises:
        CheckpointError: A batch norm in training mode, or a dropout whose mask is used.
    """
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    used = {name for node in model.graph.node for name in node.input}
    found = False
    for node in model.graph.node:
        if node.op_type not in _TRAINS or not _in_training(node, values):
            continue
        if node.op_type != "Dropout" or (len(node.output) > 1 and node.output[1] in used):
            raise CheckpointError(
                f"{path} was exported in training mode: its {node.op_type} depends on the batch or on chance",
                hint="export it in eval mode: net.eval()",
            )
        del node.input[1:], node.output[1:], node.attribute[:]
        node.op_type, found = "Identity", True
    return found


def _in_training(node: NodeProto, values: Mapping[str, TensorProto]) -> bool:
    if node.op_type == "BatchNormalization":
        return len(node.output) > 1 or any(each.name == "training_mode" and each.i for each in node.attribute)
    mode = node.input[2] if len(node.input) > 2 else ""
    # A mode that is computed cannot be known to be off.
    return bool(mode) and (mode not in values or bool(numpy_helper.to_array(values[mode]).any()))


def ends_of(model: ModelProto, path: Path) -> tuple[ValueInfoProto, ValueInfoProto]:
    """The one input and the one output.

    Raises:
        CheckpointError: More of them, of another type, or of a shape that is no image's.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in weights]
    made = list(model.graph.output)
    if len(given) != 1 or len(made) != 1:
        names = [value.name for value in given], [value.name for value in made]
        raise CheckpointError(f"{path} has the inputs and outputs {names}, expected one of each", hint=AGAIN)
    for value in (given[0], made[0]):
        _check_end(value, path)
    return given[0], made[0]


def _check_end(value: ValueInfoProto, path: Path) -> None:
    kind, shape = value.type.tensor_type, shape_of(value)
    if kind.elem_type != TensorProto.FLOAT:
        seen = TensorProto.DataType.Name(kind.elem_type)
        raise CheckpointError(f"{path}: {value.name} is of type {seen}, expected FLOAT", hint=AGAIN)
    known = len(shape) == 4 and (shape[1] == 3 or shape[3] == 3 or not isinstance(shape[1], int))
    if not known:
        raise CheckpointError(
            f"{path}: {value.name} is {tuple(shape)}, expected (N, 3, H, W) or (N, H, W, 3)", hint=AGAIN
        )


def shape_of(value: ValueInfoProto) -> list[int | str]:
    """The sides of an end: numbers where they are fixed, else names."""
    return [side.dim_value or side.dim_param or "?" for side in value.type.tensor_type.shape.dim]


def _channels_last(value: ValueInfoProto) -> bool:
    shape = shape_of(value)
    return shape[3] == 3 and shape[1] != 3


def fixed_sides(given: ValueInfoProto) -> tuple[int | str, int | str] | None:
    """Height and width of the input where one of them is fixed; None if both are open."""
    shape = shape_of(given)
    height, width = shape[1:3] if _channels_last(given) else shape[2:]
    return (height, width) if isinstance(height, int) or isinstance(width, int) else None


def name_ends(model: ModelProto, given: ValueInfoProto, made: ValueInfoProto) -> bool:
    """Call the ends as ours are called, and turn them where the channels come last.

    Returns:
        Whether one was turned.
    """
    last = _channels_last(given)
    # An output that names no side has the order of the input.
    turned = last, _channels_last(made) or (last and 3 not in shape_of(made))
    inner = f"{INPUT}.turned" if turned[0] else INPUT, f"{OUTPUT}.turned" if turned[1] else OUTPUT
    del model.graph.input[:]
    model.graph.input.append(given)
    _rename(model, {given.name: inner[0], made.name: inner[1]})
    if turned[0]:
        model.graph.node.insert(0, helper.make_node("Transpose", [INPUT], [inner[0]], perm=_TO_LAST))
    if turned[1]:
        model.graph.node.append(helper.make_node("Transpose", [inner[1]], [OUTPUT], perm=_TO_FIRST))
    model.graph.input[0].name, model.graph.output[0].name = INPUT, OUTPUT
    return any(turned)


def _rename(model: ModelProto, names: Mapping[str, str]) -> None:
    """Give the ends their names; other values of those names make way."""
    taken = {name: f"{name}.inner" for name in (INPUT, OUTPUT)} | dict(names)
    for node in model.graph.node:
        node.input[:] = [taken.get(name, name) for name in node.input]
        node.output[:] = [taken.get(name, name) for name in node.output]
    for value in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        value.name = taken.get(value.name, value.name)
