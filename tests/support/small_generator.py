"""Real generators with random weights in the stored ONNX form, made without torch; small ones for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from augengine.weights.cards import DIRECTIONS, Card, Direction, Parity, digest_weights, write_card

WIDTH = 4
BLOCKS = 1
OPSET = 20


def recipe(width: int = WIDTH, blocks: int = BLOCKS) -> dict[str, Any]:
    """Its recipe, as plain json values."""
    return {"name": "zhu2017", "width": width, "blocks": blocks, "affine": False, "relu_after_add": False}


RECIPE = recipe()


class _Graph:
    """Nodes and initialisers of a generator under construction; each method returns its output's name."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(seed)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def half(self, name: str, value: NDArray[np.floating]) -> str:
        """An initialiser in the stored form: fp16, then Cast."""
        self.initialisers.append(numpy_helper.from_array(value.astype(np.float16), name))
        return self.add("Cast", name, to=TensorProto.FLOAT, output=f"{name}.float32")

    def pad(self, x: str, by: int) -> str:
        name = f"pads{len(self.nodes)}"
        pads = np.array([0, 0, by, by, 0, 0, by, by], dtype=np.int64)
        self.initialisers.append(numpy_helper.from_array(pads, name))
        return self.add("Pad", x, name, mode="reflect")

    def conv(self, x: str, name: str, shape: tuple[int, int, int, int], gain: float = 1.0, **attributes: Any) -> str:
        weight = self._random.normal(0, gain / np.sqrt(np.prod(shape[1:])), shape)
        bias = self._random.normal(0, 0.1, shape[0])
        parameters = self.half(f"{name}.weight", weight), self.half(f"{name}.bias", bias)
        return self.add("Conv", x, *parameters, kernel_shape=shape[2:], **attributes)

    def conv_transpose(self, x: str, name: str, channels_in: int, channels_out: int) -> str:
        weight = self._random.normal(0, 1 / np.sqrt(9 * channels_in / 4), (channels_in, channels_out, 3, 3))
        bias = self._random.normal(0, 0.1, channels_out)
        parameters = self.half(f"{name}.weight", weight), self.half(f"{name}.bias", bias)
        sides: dict[str, Any] = {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}
        return self.add("ConvTranspose", x, *parameters, kernel_shape=[3, 3], **sides)

    def norm(self, x: str, channels: int) -> str:
        name = f"norm{len(self.nodes)}"
        scale = self.half(f"{name}.scale", np.ones(channels))
        shift = self.half(f"{name}.shift", np.zeros(channels))
        return self.add("InstanceNormalization", x, scale, shift, epsilon=1e-5)

    def norm_relu(self, x: str, channels: int) -> str:
        return self.add("Relu", self.norm(x, channels))

    def block(self, x: str, name: str, channels: int) -> str:
        shape = (channels, channels, 3, 3)
        inner = self.norm_relu(self.conv(self.pad(x, 1), f"{name}.conv_block.1", shape), channels)
        inner = self.norm(self.conv(self.pad(inner, 1), f"{name}.conv_block.5", shape), channels)
        return self.add("Add", x, inner)


def random_generator(seed: int, *, width: int, blocks: int) -> onnx.ModelProto:
    """A generator with random weights in the stored form: input ``x``, output ``y``, dynamic (N, 3, H, W)."""
    graph = _Graph(seed)
    x = graph.norm_relu(graph.conv(graph.pad("x", 3), "model.1", (width, 3, 7, 7)), width)
    for index, factor in ((4, 1), (7, 2)):
        shape = (2 * factor * width, factor * width, 3, 3)
        x = graph.conv(x, f"model.{index}", shape, strides=[2, 2], pads=[1, 1, 1, 1])
        x = graph.norm_relu(x, shape[0])
    for block in range(blocks):
        x = graph.block(x, f"model.{10 + block}", 4 * width)
    for index, factor in ((10, 4), (13, 2)):
        x = graph.conv_transpose(x, f"model.{index + blocks}", factor * width, factor // 2 * width)
        x = graph.norm_relu(x, factor // 2 * width)
    x = graph.conv(graph.pad(x, 3), f"model.{17 + blocks}", (3, width, 7, 7), gain=0.5)
    graph.add("Tanh", x, output="y")
    return _model(graph, recipe(width, blocks))


def small_generator(seed: int = 0) -> onnx.ModelProto:
    """Four channels and one block: a few kilobytes."""
    return random_generator(seed, width=WIDTH, blocks=BLOCKS)


def identity_generator() -> onnx.ModelProto:
    """A generator that returns its input, whatever its range."""
    graph = _Graph(0)
    graph.add("Identity", "x", output="y")
    return _model(graph, RECIPE)


def _model(graph: _Graph, its_recipe: dict[str, Any]) -> onnx.ModelProto:
    shape: list[str | int | None] = ["n", 3, "h", "w"]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    proto = helper.make_graph(graph.nodes, "generator", ends[:1], ends[1:], graph.initialisers)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    helper.set_model_props(model, {"augengine.recipe": json.dumps(its_recipe)})
    onnx.checker.check_model(model, full_check=True)
    return model


def write_small_generator(file: Path, *, seed: int = 0) -> Path:
    """Write `small_generator` to a file and return it."""
    return _write(file, small_generator(seed))


def write_identity_generator(file: Path) -> Path:
    """Write `identity_generator` to a file and return it."""
    return _write(file, identity_generator())


def write_small_pair(
    folder: Path,
    *,
    stain: str = "cd68",
    reference: str = "pas",
    seed: int = 0,
    identity: bool = False,
    mpp: float = 0.5,
) -> Path:
    """Write both directions with their cards into ``{folder}/{reference}-{stain}``.

    Args:
        folder: A root as ``--weights`` takes it.
        stain: The stain.
        reference: Its reference stain.
        seed: Random seed of the weights; the two directions differ.
        identity: Generators that return their input instead.
        mpp: um/px that the cards say.

    Returns:
        The pair's folder.
    """
    models = [identity_generator() if identity else small_generator(2 * seed + index) for index in range(2)]
    return write_pair(folder / f"{reference}-{stain}", models, mpp=mpp)


def write_pair(pair: Path, models: Sequence[onnx.ModelProto], *, mpp: float = 0.5) -> Path:
    """Write the graphs of both directions, with cards, into a folder named ``{reference}-{stain}``; returns it."""
    for direction, model in zip(DIRECTIONS, models, strict=True):
        file = _write(pair / f"{direction}.onnx", model)
        its_recipe = json.loads(next(each.value for each in model.metadata_props if each.key == "augengine.recipe"))
        write_card(_card(file, its_recipe, direction, mpp), file.with_suffix(".json"))
    return pair


def _card(file: Path, its_recipe: dict[str, Any], direction: Direction, mpp: float) -> Card:
    reference, _, stain = file.parent.name.partition("-")
    return Card(
        stain=stain,
        reference=reference,
        direction=direction,
        recipe=its_recipe,
        mpp=mpp,
        training="none: random weights",
        limits="for tests",
        checkpoint_digest="none",
        weights_digest=digest_weights(file),
        parity=Parity(max=0.0, rms=0.0),
    )


def _write(file: Path, model: onnx.ModelProto) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.SerializeToString(deterministic=True))
    return file
