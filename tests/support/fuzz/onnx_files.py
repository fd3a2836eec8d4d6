"""ONNX files: graphs of other projects with nodes, shapes, tensors and metadata changed, and bytes as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto

from augengine.engines.onnx_types import RECIPE_KEY
from augengine.errors import AugengineError
from augengine.importing.foreign_generator import read_foreign_generator
from augengine.importing.request import ImportRequest
from tests.support.foreign_graphs import channels_last, dropped, hand_norm, of_size, strided

BASES = tuple(
    model.SerializeToString()
    for model in (strided(4), strided(2, 1), hand_norm(1e-5), of_size(64, 64), channels_last(), dropped(False))
)
OPERATORS = (
    *("Conv", "ConvTranspose", "Add", "Mul", "Tanh", "Resize", "Pad", "Reshape", "Transpose", "ConstantOfShape"),
    *("Expand", "Tile", "Loop", "If", "Scan", "RandomNormal", "Gather", "Concat", "Identity", "Einsum", "", "é\x1b"),
)
NUMBERS = st.sampled_from([0, 1, -1, 2, 7, 1 << 16, 1 << 31, (1 << 62) + 1, -(1 << 62)])
TILE = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)


def made_up() -> st.SearchStrategy[bytes]:
    """A graph, changed in some places."""
    return st.one_of(_graphs(), _graphs(), _bytes())


@st.composite
def _graphs(draw: st.DrawFn) -> bytes:
    model = ModelProto()
    model.ParseFromString(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(0, 2))):
        draw(st.sampled_from([_node, _attribute, _tensor, _ends, _metadata, _around]))(draw, model)
    return bytes(model.SerializeToString())


@st.composite
def _bytes(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(_graphs()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        data[at : at + 1] = draw(st.binary(min_size=0, max_size=4))
    return bytes(data)


def _node(draw: st.DrawFn, model: ModelProto) -> None:
    node = draw(st.sampled_from(list(model.graph.node)))
    match draw(st.sampled_from(["operator", "inputs", "outputs", "domain", "twice"])):
        case "operator":
            node.op_type = draw(st.sampled_from(OPERATORS))
        case "inputs":
            node.input[:] = draw(st.lists(st.sampled_from(["a", "b", "w", "c", "", "nowhere"]), max_size=4))
        case "outputs":
            node.output[:] = draw(st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=2))
        case "domain":
            node.domain = draw(st.sampled_from(["", "com.microsoft", "ai.onnx.ml", "é"]))
        case _:
            model.graph.node.append(node)


def _attribute(draw: st.DrawFn, model: ModelProto) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    if not nodes:
        return
    attribute: AttributeProto = draw(st.sampled_from(list(draw(st.sampled_from(nodes)).attribute)))
    match draw(st.sampled_from(["ints", "int", "type", "name"])):
        case "ints":
            attribute.ints[:] = draw(st.lists(NUMBERS, max_size=5))
        case "int":
            attribute.i = draw(NUMBERS)
        case "type":
            attribute.type = draw(st.sampled_from(AttributeProto.AttributeType.values()))
        case _:
            attribute.name = draw(st.sampled_from(["kernel_shape", "strides", "group", "pads", "axis", ""]))


def _tensor(draw: st.DrawFn, model: ModelProto) -> None:
    if not model.graph.initializer:
        return
    tensor = draw(st.sampled_from(list(model.graph.initializer)))
    match draw(st.sampled_from(["dims", "type", "raw", "name", "outside"])):
        case "dims":
            tensor.dims[:] = draw(st.lists(NUMBERS, max_size=5))
        case "type":
            tensor.data_type = draw(st.integers(0, 24))
        case "raw":
            tensor.raw_data = draw(st.binary(max_size=64))
        case "name":
            tensor.name = draw(st.sampled_from(["", "a", "b", "w", "model.1.weight"]))
        case _:
            tensor.data_location = 1
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", draw(st.sampled_from(["../x", "/dev/zero", "x.onnx", "", "\0"]))


def _ends(draw: st.DrawFn, model: ModelProto) -> None:
    end = draw(st.sampled_from([*model.graph.input, *model.graph.output]))
    match draw(st.sampled_from(["side", "type", "lost"])):
        case "side" if end.type.tensor_type.shape.dim:
            draw(st.sampled_from(list(end.type.tensor_type.shape.dim))).dim_value = draw(NUMBERS)
        case "type":
            end.type.tensor_type.elem_type = draw(st.integers(0, 24))
        case _:
            end.Clear()


def _metadata(draw: st.DrawFn, model: ModelProto) -> None:
    prop = model.metadata_props.add()
    prop.key = draw(st.sampled_from([RECIPE_KEY, "x", ""]))
    recipe: Any = {"name": "zhu2017", "width": draw(NUMBERS), "blocks": draw(NUMBERS)}
    prop.value = draw(st.sampled_from([json.dumps(recipe), "[" * 100_000, "null", "", "{}", '{"width": 1e999}']))


def _around(draw: st.DrawFn, model: ModelProto) -> None:
    model.ir_version = draw(st.sampled_from([0, 3, 9, 10, 13, 1 << 40]))
    for opset in model.opset_import:
        opset.version = draw(st.sampled_from([0, 1, 9, 13, 18, 22, 99, 1 << 40]))


def holds(value: bytes, folder: Path) -> bool:
    """It is a generator that translates, or refused."""
    file = folder / "x.onnx"
    file.write_bytes(value)
    request = ImportRequest(checkpoint=file, stain="cd68", direction="to-reference")
    try:
        found = read_foreign_generator(request, TILE)
        found.parity(TILE)
    except AugengineError:
        return False
    return True
