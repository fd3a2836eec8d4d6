"""The int8 graph of a generator: convolutions of its residual blocks between a quantisation and its inverse.

Before such a convolution every channel is divided by its own peak, and the weights are multiplied by it: so channels
with small values keep as many steps as those with large ones. This equalisation halves the error; see
docs/notes/int8.md. The compilers of OpenVINO and TensorRT turn the pairs of QuantizeLinear and DequantizeLinear into
integer arithmetic.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from augengine.engines.int8_form import Int8Convolution, Int8Form
from augengine.engines.onnx_types import check_graph, copy_model, replace_nodes
from augengine.errors import EngineError

_BLOCK = re.compile(r"model\.(\d+)\.conv_block\.\d+\.weight")
_MAX_INT8 = 127
_MIN_OPSET = 13
"""Before it weights have one step for all channels."""


def residual_blocks(model: ModelProto) -> tuple[tuple[str, ...], ...]:
    """Names of the weights of each residual block's convolutions, in the generator's order; empty for others' graphs.

    Args:
        model: The stored form or the float32 form of a generator that augengine exported.
    """
    if not any(each.domain == "" and each.version >= _MIN_OPSET for each in model.opset_import):
        return ()
    casts = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Cast"}
    blocks: dict[int, list[str]] = defaultdict(list)
    for node in model.graph.node:
        weight = casts.get(node.input[1], node.input[1]) if node.op_type == "Conv" else ""
        if found := _BLOCK.fullmatch(weight):
            blocks[int(found[1])].append(weight)
    return tuple(tuple(blocks[number]) for number in sorted(blocks))


def to_int8(model: ModelProto, form: Int8Form, *, unsigned: bool) -> ModelProto:
    """The graph with some of its convolutions in int8.

    Args:
        model: The float32 form.
        form: Which of them, and their ranges.
        unsigned: Whether values that cannot be negative may take uint8, which has twice the steps; TensorRT knows
            int8 alone.

    Raises:
        EngineError: The form names a convolution that is not there, or has other channels.
    """
    out, by_weight = copy_model(model), {each.weight: each for each in form.convolutions}
    makers = {name: node for node in out.graph.node for name in node.output}
    nodes: list[NodeProto] = []
    for node in out.graph.node:
        weight = node.input[1] if node.op_type == "Conv" else ""
        if weight in by_weight:
            nodes += _quantised(out, node, by_weight.pop(weight), makers, unsigned=unsigned)
        else:
            nodes.append(node)
    if by_weight:
        raise EngineError(f"the generator has no convolution {', '.join(by_weight)}", hint="build its engines again")
    read = {name for node in nodes for name in node.input} | {value.name for value in out.graph.output}
    replace_nodes(out, [node for node in nodes if read & set(node.output)])
    _drop_unread(out)
    return check_graph(out, "the int8 form")


def with_peaks(model: ModelProto) -> tuple[ModelProto, tuple[str, ...]]:
    """The graph with the largest magnitude of each input channel of each residual convolution as further outputs.

    Returns:
        It, whose further outputs are float32 (1, channels, 1, 1); and the names of the convolutions' weights, in their
        order.
    """
    out = copy_model(model)
    weights = tuple(name for block in residual_blocks(model) for name in block)
    makers = {name: node for node in out.graph.node for name in node.output}
    by_weight = {node.input[1]: node for node in out.graph.node if node.op_type == "Conv"}
    for weight in weights:
        source = _before_padding(by_weight[weight], makers)
        out.graph.node.extend(_peak_nodes(source, weight))
        out.graph.output.append(helper.make_tensor_value_info(f"{weight}.peak", TensorProto.FLOAT, None))
    return out, weights


def _peak_nodes(source: str, weight: str) -> Iterator[NodeProto]:
    yield helper.make_node("Abs", [source], [f"{weight}.abs"], name=f"{weight}.abs")
    yield helper.make_node("GlobalMaxPool", [f"{weight}.abs"], [f"{weight}.peak"], name=f"{weight}.peak")


def _before_padding(node: NodeProto, makers: dict[str, NodeProto]) -> str:
    """What goes into a convolution, before an explicit padding."""
    before = makers[node.input[0]]
    return str(before.input[0] if before.op_type == "Pad" else node.input[0])


def _quantised(
    model: ModelProto, node: NodeProto, wanted: Int8Convolution, makers: dict[str, NodeProto], *, unsigned: bool
) -> list[NodeProto]:
    """A convolution with its quantised input and weights. Padding comes after the quantisation: it moves bytes."""
    source, own = _before_padding(node, makers), wanted.weight
    kind = np.uint8 if unsigned and makers[source].op_type == "Relu" else np.int8
    peaks = np.asarray(wanted.peaks, np.float32)
    steps = np.float32(np.iinfo(kind).max if kind is np.uint8 else _MAX_INT8)
    constants = {
        f"{own}.rate": (1 / peaks)[:, None, None],
        f"{own}.step": 1 / steps,
        f"{own}.zero": kind(0),
        **_weights(model, wanted, peaks),
    }
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()
    )
    scale = [f"{own}.step", f"{own}.zero"]
    made = [
        helper.make_node("Mul", [source, f"{own}.rate"], [f"{own}.even"]),
        helper.make_node("QuantizeLinear", [f"{own}.even", *scale], [f"{own}.whole"]),
        helper.make_node("DequantizeLinear", [f"{own}.whole", *scale], [f"{own}.input"]),
        helper.make_node("DequantizeLinear", [f"{own}.int8", f"{own}.steps", f"{own}.zeros"], [f"{own}.real"], axis=0),
    ]
    before, taken = makers[node.input[0]], f"{own}.input"
    if before.op_type == "Pad":
        made.append(_with(before, {0: taken}, f"{own}.padded"))
        taken = f"{own}.padded"
    made.append(_with(node, {0: taken, 1: f"{own}.real"}, node.output[0]))
    for each in made:
        each.name = each.name if each.op_type == "Conv" else f"{each.op_type} {each.output[0]}"
    return made


def _weights(model: ModelProto, wanted: Int8Convolution, peaks: NDArray[np.float32]) -> dict[str, NDArray[np.generic]]:
    """The weights times the peaks of what they meet, in int8, with a step of its own for each output channel."""
    stored = next(tensor for tensor in model.graph.initializer if tensor.name == wanted.weight)
    weights = numpy_helper.to_array(stored).astype(np.float32)
    if weights.shape[1] != len(peaks):
        raise EngineError(f"{wanted.weight} has {weights.shape[1]} input channels, the int8 form {len(peaks)}")
    scaled = weights * peaks[:, None, None]
    steps = np.abs(scaled).max(axis=(1, 2, 3)) / _MAX_INT8
    steps = np.where(steps > 0, steps, 1).astype(np.float32)
    whole = np.clip(np.rint(scaled / steps[:, None, None, None]), -_MAX_INT8, _MAX_INT8).astype(np.int8)
    own = wanted.weight
    return {f"{own}.int8": whole, f"{own}.steps": steps, f"{own}.zeros": np.zeros(len(steps), np.int8)}


def _drop_unread(model: ModelProto) -> None:
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _with(node: NodeProto, inputs: dict[int, str], output: str) -> NodeProto:
    copied = NodeProto()
    copied.CopyFrom(node)
    for index, name in inputs.items():
        copied.input[index] = name
    copied.output[0] = output
    return copied
