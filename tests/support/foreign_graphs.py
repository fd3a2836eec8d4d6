"""ONNX graphs as other projects write them, built by hand without torch; a few nodes with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPEN = ("n", 3, "h", "w")
CHANNELS_LAST = ("n", "h", "w", 3)
Arrays = dict[str, NDArray[Any]]


def graph(
    nodes: Sequence[NodeProto], constants: Arrays, shape: Sequence[int | str] = OPEN, out: Sequence[int | str] = ()
) -> ModelProto:
    """A model from ``a`` to ``b`` of float32 images."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
        for name, sides in (("a", shape), ("b", out or shape))
    ]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(list(nodes), "g", ends[:1], ends[1:], stored)
    model: ModelProto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model


def node(operator: str, inputs: str, output: str, **attributes: Any) -> NodeProto:
    """A node whose inputs are named in one text."""
    return helper.make_node(operator, inputs.split(), output.split(), **attributes)


def convolution(seed: int = 0, channels: int = 3, side: int = 3) -> NDArray[np.float32]:
    """The weights of a convolution from ``channels`` to as many."""
    values = np.random.default_rng(seed).normal(0, 1 / (side * np.sqrt(channels)), (channels, channels, side, side))
    return values.astype(np.float32)


def strided(multiple: int, seed: int = 0, shape: Sequence[int | str] = OPEN) -> ModelProto:
    """A network that goes down by ``multiple`` at once and up again, and adds what it was given."""
    weights = {"w": convolution(seed, side=multiple), "v": convolution(seed + 1, side=multiple)}
    stride = {"kernel_shape": [multiple] * 2, "strides": [multiple] * 2}
    nodes = [node("Conv", "a w", "c", **stride), node("ConvTranspose", "c v", "d", **stride)]
    return graph([*nodes, node("Add", "a d", "e"), node("Tanh", "e", "b")], weights, shape)


def hand_norm(epsilon: float, bound: float = 1e4) -> ModelProto:
    """A convolution, a clip, and a norm by hand, as style networks have it."""
    constants: Arrays = {
        "w": convolution(),
        "eps": np.array(epsilon, np.float32),
        "low": np.array(-bound, np.float32),
        "high": np.array(bound, np.float32),
        "axes": np.array([2, 3]),
    }
    nodes = [
        node("Conv", "a w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Clip", "c low high", "d"),
        node("ReduceMean", "d axes", "m"),
        node("Sub", "d m", "e"),
        node("Mul", "e e", "f"),
        node("ReduceMean", "f axes", "g"),
        node("Add", "g eps", "h"),
        node("Sqrt", "h", "i"),
        node("Div", "e i", "j"),
        node("Tanh", "j", "b"),
    ]
    return graph(nodes, constants)


def of_size(height: int, width: int) -> ModelProto:
    """A network that divides a sum over the image by the number of pixels that it was exported at."""
    constants: Arrays = {
        "w": convolution(),
        "axes": np.array([2, 3]),
        "count": np.array(height * width / 2, np.float32),
    }
    nodes = [
        node("Conv", "a w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("ReduceSum", "c axes", "s"),
        node("Div", "s count", "m"),
        node("Sub", "c m", "d"),
        node("Tanh", "d", "b"),
    ]
    return graph(nodes, constants, (1, 3, height, width))


def dropped(mode: bool, *, mask: bool = False) -> ModelProto:
    """A convolution and a dropout; its mask is used too if that is asked for."""
    constants: Arrays = {"w": convolution(), "ratio": np.array(0.5, np.float32), "mode": np.array(mode)}
    nodes = [
        node("Conv", "a w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Dropout", "c ratio mode", "d m" if mask else "d"),
    ]
    if mask:
        nodes += [node("Cast", "m", "n", to=TensorProto.FLOAT), node("Mul", "d n", "e")]
    return graph([*nodes, node("Tanh", "e" if mask else "d", "b")], constants)


def channels_last(out: Sequence[int | str] = CHANNELS_LAST) -> ModelProto:
    """A scale for each channel, on images whose channels come last."""
    constants: Arrays = {"s": np.array([0.5, 0.25, 0.125], np.float32)}
    return graph([node("Mul", "a s", "c"), node("Tanh", "c", "b")], constants, CHANNELS_LAST, out)


def write(model: ModelProto, file: Path) -> Path:
    """The file, written."""
    onnx.save(model, file)
    return file
