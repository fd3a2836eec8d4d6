"""ONNX files of anybody's: nothing outside them is read, and no small file stands for terabytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from augengine.engines.onnx_types import read_model, recipe_of
from augengine.errors import CheckpointError, WeightsError
from augengine.importing.foreign_onnx import read_foreign, stored_form
from tests.support.foreign_graphs import channels_last, hand_norm, of_size, strided
from tests.support.small_generator import write_small_pair

_TERA = 1 << 20


def _outside(shape: list[int], **said: str) -> TensorProto:
    tensor = TensorProto(name="b", data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in ({"location": "secret.bin", "offset": "0", "length": "12"} | said).items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def _constant(**value: Any) -> NodeProto:
    return helper.make_node("Constant", [], ["b"], **value)


def _sparse(side: int) -> object:
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    return helper.make_sparse_tensor(values, numpy_helper.from_array(np.zeros((1, 2), np.int64), "i"), [side, side])


def _filled(side: int) -> list[NodeProto]:
    """A tensor of side x side that a few bytes of graph ask for, and its sum."""
    shape = numpy_helper.from_array(np.array([side, side]), "s")
    return [
        helper.make_node("Constant", [], ["s"], value=shape),
        helper.make_node("ConstantOfShape", ["s"], ["filled"]),
        helper.make_node("ReduceSum", ["filled"], ["b"], keepdims=0),
    ]


def _write(file: Path, nodes: list[NodeProto], *initialisers: TensorProto) -> Path:
    """A graph that adds ``b`` to its input."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "h", "w"]) for name in "xy")
    last = [helper.make_node("Add", ["x", "b"], ["z"]), helper.make_node("Tanh", ["z"], ["y"])]
    graph = helper.make_graph([*nodes, *last], "g", [x], [y], list(initialisers))
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file.write_bytes(model.SerializeToString())
    return file


def _branch() -> NodeProto:
    """A constant of another file, in a graph inside a node."""
    inner = helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 3, 1, 1])
    graph = helper.make_graph([_constant(value=_outside([1, 3, 1, 1]))], "inner", [], [inner])
    return helper.make_node("If", ["x"], ["b"], then_branch=graph, else_branch=graph)


@pytest.mark.parametrize("place", ["initialiser", "constant", "branch"])
def test_tensors_that_name_other_files_are_refused_wherever_they_stand(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.bin").write_bytes(np.arange(3, dtype=np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    outside = _outside([1, 3, 1, 1])
    nodes = {"constant": [_constant(value=outside)], "branch": [_branch()]}.get(place, [])
    file = _write(tmp_path / "g.onnx", nodes, *([outside] if place == "initialiser" else []))
    with pytest.raises(WeightsError, match="in other files"):
        read_model(file)
    if place == "initialiser":
        weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in read_foreign(file).graph.graph.initializer}
        np.testing.assert_array_equal(weights["b"].ravel(), [0, 1, 2])
    else:
        with pytest.raises(CheckpointError, match=r"in other files|control flow"):
            read_foreign(file)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"location": "../secret.bin"}, "outside its folder"),
        ({"location": "/etc/passwd"}, "outside its folder"),
        ({"location": "link.bin"}, "outside its folder"),
        ({"location": ""}, "outside its folder"),
        ({"location": "."}, "outside its folder"),
        ({"location": "a\0b"}, "outside its folder"),
        ({"location": "gone.bin"}, "which is not there"),
        ({"location": "pipe"}, "which is not there"),
        ({"location": "folder"}, "which is not there"),
        ({"location": "short.bin"}, "ends before"),
        ({"offset": "8"}, "ends before"),
        ({"offset": "-4"}, "by the offset"),
        ({"length": "9" * 30}, "by the length"),
        ({"length": "8"}, "another number"),
    ],
)
def test_of_other_files_only_whole_ones_in_its_folder_are_read(
    said: dict[str, str], reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "inside"
    (folder / "folder").mkdir(parents=True)
    for file in (tmp_path / "secret.bin", folder / "secret.bin"):
        file.write_bytes(bytes(12))
    (folder / "short.bin").write_bytes(bytes(11))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    os.mkfifo(folder / "pipe")
    with pytest.raises(CheckpointError, match=reason):
        read_foreign(_write(folder / "g.onnx", [], _outside([1, 3, 1, 1], **said)))


@pytest.mark.parametrize(("kind", "reason"), [(TensorProto.STRING, "no number"), (99, "of no known type")])
def test_of_other_files_only_numbers_are_read(kind: int, reason: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    tensor = _outside([1, 3, 1, 1], length="24")
    tensor.data_type = kind
    with pytest.raises(CheckpointError, match=reason):
        read_foreign(_write(tmp_path / "g.onnx", [], tensor))


def test_no_more_is_read_from_other_files_than_an_onnx_file_can_hold(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(12))
    with pytest.raises(CheckpointError, match="more than 2 GB"):
        read_foreign(_write(tmp_path / "g.onnx", [], _outside([_TERA, _TERA])))


@pytest.mark.parametrize("dims", [[_TERA, _TERA], [-5, 3]])
def test_tensors_without_the_bytes_for_their_shape_are_refused(dims: list[int], tmp_path: Path) -> None:
    lying = TensorProto(name="b", data_type=TensorProto.FLOAT, dims=dims, raw_data=b"1234")
    for file in (_write(tmp_path / "i.onnx", [], lying), _write(tmp_path / "c.onnx", [_constant(value=lying)])):
        with pytest.raises(CheckpointError, match="not as many numbers as its shape says"):
            read_foreign(file)
        with pytest.raises(WeightsError, match="not as many numbers"):
            read_model(file)


def test_sparse_tensors_are_refused(tmp_path: Path) -> None:
    file = _write(tmp_path / "g.onnx", [_constant(sparse_value=_sparse(_TERA))])
    with pytest.raises(CheckpointError, match="sparse"):
        read_foreign(file)
    with pytest.raises(WeightsError, match="sparse"):
        read_model(file)


def test_a_graph_that_fills_the_memory_for_a_small_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="for images of 1 x 3 x 64 x 64"):
        read_foreign(_write(tmp_path / "g.onnx", _filled(_TERA)))
    assert read_foreign(_write(tmp_path / "g.onnx", _filled(8))).graph.graph.node


@pytest.mark.parametrize(
    "value", [{"value_float": 1.0, "value_int": 2}, {"value_string": b"abc"}, {"value_strings": [b"a"]}, {}]
)
def test_constants_that_are_no_numbers_are_refused(value: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a constant made of"):
        read_foreign(_write(tmp_path / "g.onnx", [_constant(**value)]))


@pytest.mark.parametrize("data", [b"", b"\x08", b"\xff" * 4096, b"PK\3\4" + bytes(100)])
def test_what_is_no_onnx_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "g.onnx").write_bytes(data)
    with pytest.raises(CheckpointError):
        read_foreign(tmp_path / "g.onnx")


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_are_read_or_refused_and_nothing_else(seed: int, tmp_path: Path) -> None:
    random, file = np.random.default_rng(seed), tmp_path / "g.onnx"
    whole = [model.SerializeToString() for model in (strided(4), hand_norm(1e-8), of_size(64, 64), channels_last())]
    refused = 0
    for number in range(100):
        data = bytearray(whole[number % len(whole)])
        for _ in range(1 + number % 3):
            place, kind = random.integers(len(data)), random.integers(3)
            data[place : place + kind] = random.integers(0, 256, random.integers(3), dtype=np.uint8).tobytes()
        file.write_bytes(data)
        try:
            stored_form(read_foreign(file).graph, file)
        except WeightsError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a":' * 50_000, "9" * 6000, "1e999", '"' + "x" * 10**6 + '"', "[]"]
)
def test_metadata_that_is_no_recipe_is_as_good_as_none(content: str, tmp_path: Path) -> None:
    write_small_pair(tmp_path)
    file = next(tmp_path.rglob("to-reference.onnx"))
    model = read_model(file)
    for entry in model.metadata_props:
        entry.value = content
    file.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="the ONNX model"):
        recipe_of(model)
    assert read_foreign(file).graph is not None
