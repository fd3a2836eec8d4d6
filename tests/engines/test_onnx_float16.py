"""In float16 nothing is lost that a small constant guards against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from augengine.engines.onnx_float16 import to_float16
from augengine.engines.onnx_types import constants_of, fix_shape, store_half, to_bytes, to_float32
from augengine.errors import WeightsError
from augengine.importing.export import drawn_images, run_onnx
from augengine.importing.foreign_onnx import read_foreign
from tests.support.foreign_graphs import convolution, graph, hand_norm, node, write
from tests.support.small_generator import small_generator

X = drawn_images(1, 32, 32)
WHITE = np.ones((1, 3, 32, 32), np.float32)
GREY_LEVELS = 127.5


def stored(model: ModelProto, folder: Path) -> ModelProto:
    return store_half(read_foreign(write(model, folder / "G.onnx")).graph)


def run_as_typed(model: ModelProto, x: np.ndarray) -> np.ndarray:
    """onnx's own reference: onnxruntime on a CPU quietly computes float16 graphs in float32, Casts removed."""
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    return np.asarray(y)


def types_of(model: ModelProto) -> dict[str, set[int]]:
    """The types of the values that each operator takes."""
    inferred = fix_shape(model, 1, 32, 32).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
    found: dict[str, set[int]] = {}
    for each in inferred.node:
        found.setdefault(each.op_type, set()).update(types[name] for name in each.input)
    return {name: kinds - {TensorProto.INT64} for name, kinds in found.items()}


@pytest.mark.parametrize(("epsilon", "bound"), [(1e-8, 1e4), (1e-12, 1e4), (1e-5, 1e9), (1e-8, 3e38)])
def test_with_constants_beyond_float16_only_convolutions_are_in_it(
    epsilon: float, bound: float, tmp_path: Path
) -> None:
    model = stored(hand_norm(epsilon, bound), tmp_path)
    half = to_float16(model)
    types = types_of(half)
    assert types.pop("Conv") == {TensorProto.FLOAT16}
    types.pop("Cast")
    assert set().union(*types.values()) == {TensorProto.FLOAT}
    for x in (X, WHITE, -WHITE):
        y = run_as_typed(half, x)
        assert np.isfinite(y).all()
        assert GREY_LEVELS * np.abs(y - run_onnx(model, x)).mean() < 1


def test_with_constants_that_float16_holds_everything_is_in_it(tmp_path: Path) -> None:
    types = types_of(to_float16(stored(hand_norm(1e-3, 100.0), tmp_path)))
    assert types["Conv"] == types["Add"] == types["Sqrt"] == types["Clip"] == {TensorProto.FLOAT16}
    assert types["Tanh"] == {TensorProto.FLOAT}


def test_weights_that_convolutions_share_with_others_stay_whole_for_them(tmp_path: Path) -> None:
    weights = {"w": convolution(side=1), "eps": np.array(1e-9, np.float32), "axes": np.array([0])}
    nodes = [
        node("Conv", "a w", "c", kernel_shape=[1, 1]),
        node("Conv", "c w", "d", kernel_shape=[1, 1]),
        node("ReduceMean", "w axes", "m", keepdims=0),
        node("Add", "d eps", "e"),
        node("Tanh", "e", "b"),
    ]
    nodes[3:3] = [node("ReduceSum", "m", "s", keepdims=0), node("Mul", "d s", "f")]
    nodes[5].input[0] = "f"
    model = stored(graph(nodes, weights), tmp_path)
    assert GREY_LEVELS * np.abs(run_as_typed(to_float16(model), X) - run_onnx(model, X)).max() < 1


def test_weights_of_convolutions_beyond_float16_are_refused_all_the_same(tmp_path: Path) -> None:
    model = graph([node("Conv", "a w", "c"), node("Tanh", "c", "b")], {"w": np.float32(1e6) * convolution()})
    file = write(model, tmp_path / "G.onnx")
    with pytest.raises(WeightsError, match="beyond float16"):
        store_half(read_foreign(file).graph)


@pytest.mark.parametrize("size", [1, 999, 1001, 5000])
@pytest.mark.parametrize("value", [0.1, 1e6])
def test_constants_stay_float32_where_they_are_small_or_beyond_float16(size: int, value: float, tmp_path: Path) -> None:
    model = graph([node("Gather", "m i", "v"), node("Mul", "a v", "c"), node("Tanh", "c", "b")],
                  {"m": np.full(size, value, np.float32), "i": np.array(0)})  # fmt: skip
    (mask,) = (tensor for tensor in stored(model, tmp_path).graph.initializer if tensor.name == "m")
    kept = size <= 1000 or value > 65504
    assert mask.data_type == (TensorProto.FLOAT if kept else TensorProto.FLOAT16)
    assert numpy_helper.to_array(mask)[0] == (np.float32(value) if kept else np.float16(value))


def test_our_own_generators_have_no_such_constants_and_are_stored_as_before() -> None:
    model = small_generator()
    assert constants_of(to_float32(model)) == []
    assert to_bytes(store_half(to_float32(model))) == to_bytes(store_half(to_float32(store_half(to_float32(model)))))
