"""The stored form and the graphs derived from it compute the same generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from augengine.engines.onnx_float16 import to_float16
from augengine.engines.onnx_types import (
    fix_shape,
    read_model,
    recipe_of,
    replace_weights,
    save,
    store_half,
    to_bytes,
    to_float32,
    weights_of,
)
from augengine.errors import WeightsError
from tests.support.small_generator import BLOCKS, RECIPE, WIDTH, identity_generator, small_generator

GREY_LEVELS = 127.5
Images = NDArray[np.float32]


def draw_images(n: int = 1, height: int = 32, width: int = 40, seed: int = 0) -> Images:
    return np.random.default_rng(seed).uniform(-1, 1, (n, 3, height, width)).astype(np.float32)


def run(model: onnx.ModelProto, x_nchw: Images) -> Images:
    session = onnxruntime.InferenceSession(to_bytes(model), providers=["CPUExecutionProvider"])
    y: Images = session.run(None, {"x": x_nchw})[0]
    return y


def run_as_typed(model: onnx.ModelProto, x_nchw: Images) -> Images:
    """onnx's own reference: onnxruntime on a CPU quietly computes float16 graphs in float32, Casts removed."""
    (y,) = ReferenceEvaluator(model).run(None, {"x": x_nchw})
    return np.asarray(y)


def float_types(model: onnx.ModelProto) -> set[int]:
    types = {tensor.data_type for tensor in model.graph.initializer}
    return types & {TensorProto.FLOAT, TensorProto.FLOAT16}


def types_of_values(model: onnx.ModelProto) -> dict[str, int]:
    inferred = fix_shape(model, 1, 32, 32).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {tensor.name: tensor.data_type for tensor in inferred.initializer}


def test_the_float32_form_computes_exactly_what_the_stored_form_does() -> None:
    stored = small_generator()
    x = draw_images(2)
    np.testing.assert_array_equal(run(to_float32(stored), x), run(stored, x))
    assert float_types(to_float32(stored)) == {TensorProto.FLOAT}
    assert "Cast" not in {node.op_type for node in to_float32(stored).graph.node}


def test_storing_the_float32_form_again_changes_no_weight() -> None:
    stored = small_generator()
    again = store_half(to_float32(stored))
    assert float_types(again) == {TensorProto.FLOAT16}
    for name, values in weights_of(stored).items():
        np.testing.assert_array_equal(weights_of(again)[name], values)
    np.testing.assert_array_equal(run(again, draw_images()), run(stored, draw_images()))


def test_storing_rounds_weights_to_float16_and_keeps_their_names() -> None:
    exact = to_float32(small_generator())
    first = exact.graph.initializer[1]
    values = np.float32(np.pi) * np.arange(1, np.prod(first.dims) + 1, dtype=np.float32).reshape(list(first.dims))
    first.CopyFrom(numpy_helper.from_array(values, first.name))
    stored = store_half(exact)
    np.testing.assert_array_equal(weights_of(stored)[first.name], values.astype(np.float16).astype(np.float32))
    assert set(weights_of(stored)) == set(weights_of(small_generator()))


@pytest.mark.parametrize("float32_norm", [True, False])
def test_the_float16_form_is_at_most_two_grey_levels_off(float32_norm: bool) -> None:
    stored, x = small_generator(), draw_images()
    half = to_float16(stored, float32_norm=float32_norm)
    difference = GREY_LEVELS * np.abs(run_as_typed(half, x) - run(stored, x))
    assert 0 < difference.max() < 2
    assert run(half, x).dtype == np.float32


def test_float32_norms_are_islands_in_a_float16_graph() -> None:
    for float32_norm, expected in ((True, TensorProto.FLOAT), (False, TensorProto.FLOAT16)):
        half = to_float16(small_generator(), float32_norm=float32_norm)
        types = types_of_values(half)
        by_operator: dict[str, set[int]] = {}
        for node in half.graph.node:
            named = [name for name in (*node.input, *node.output) if types[name] != TensorProto.INT64]
            by_operator.setdefault(node.op_type, set()).update(types[name] for name in named)
        assert by_operator["InstanceNormalization"] == {expected}
        assert by_operator["Conv"] == by_operator["ConvTranspose"] == by_operator["Relu"] == {TensorProto.FLOAT16}
        assert by_operator["Tanh"] == {TensorProto.FLOAT}
        assert types["x"] == types["y"] == TensorProto.FLOAT


def test_float16_comes_out_the_same_from_the_stored_and_from_the_float32_form() -> None:
    stored = small_generator()
    assert to_bytes(to_float16(stored)) == to_bytes(to_float16(to_float32(stored)))


def test_a_generator_of_one_node_has_every_form() -> None:
    x = draw_images()
    for model in (to_float32(identity_generator()), store_half(identity_generator())):
        np.testing.assert_array_equal(run(model, x), x)
    np.testing.assert_allclose(run_as_typed(to_float16(identity_generator()), x), x, atol=1 / 2048)


@pytest.mark.parametrize("form", [to_float32, to_float16, lambda model: model])
def test_a_fixed_shape_changes_no_value(form: object) -> None:
    assert callable(form)
    model, x = form(small_generator()), draw_images(2, 32, 40)
    fixed = fix_shape(model, 2, 32, 40)
    np.testing.assert_array_equal(run(fixed, x), run(model, x))
    for value in (*fixed.graph.input, *fixed.graph.output):
        assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [2, 3, 32, 40]
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        run(fixed, draw_images(1, 32, 40))


def test_every_value_has_a_static_shape_after_fixing() -> None:
    fixed = fix_shape(to_float16(small_generator()), 1, 48, 32)
    known = {value.name: value.type.tensor_type.shape.dim for value in (*fixed.graph.value_info, *fixed.graph.output)}
    for node in fixed.graph.node:
        for name in node.output:
            assert all(dim.HasField("dim_value") for dim in known[name]), name


def test_a_side_that_does_not_come_back_is_refused() -> None:
    with pytest.raises(WeightsError, match="50"):
        fix_shape(small_generator(), 1, 50, 32)


def test_forms_do_not_change_the_model_they_are_made_from() -> None:
    stored = small_generator()
    before = to_bytes(stored)
    for form in (to_float32, to_float16, store_half, lambda model: fix_shape(model, 1, 32, 32)):
        form(stored)
        assert to_bytes(stored) == before


def test_forms_give_the_same_bytes_twice(tmp_path: Path) -> None:
    for form in (to_float32, to_float16, store_half):
        assert to_bytes(form(small_generator())) == to_bytes(form(small_generator()))
    save(small_generator(), tmp_path / "a.onnx")
    save(read_model(tmp_path / "a.onnx"), tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_recipe_and_every_weight_travel_with_the_model() -> None:
    for form in (to_float32, to_float16, store_half):
        assert recipe_of(form(small_generator())) == RECIPE
    weights = weights_of(small_generator())
    assert weights["model.1.weight"].shape == (WIDTH, 3, 7, 7)
    assert len(weights) == 2 * (6 + 2 * BLOCKS)
    assert {values.dtype for values in weights.values()} == {np.dtype(np.float32)}


def test_a_model_without_a_recipe_says_so() -> None:
    model = small_generator()
    for value in (None, "[1]", "no json"):
        del model.metadata_props[:]
        if value is not None:
            helper.set_model_props(model, {"augengine.recipe": value})
        with pytest.raises(WeightsError, match=r"augengine\.recipe"):
            recipe_of(model)


def test_weights_can_be_replaced_all_at_once_and_only_by_ones_that_fit() -> None:
    model = to_float32(small_generator())
    other = weights_of(small_generator(seed=5))
    replaced = replace_weights(model, other)
    assert to_bytes(replaced) == to_bytes(to_float32(small_generator(seed=5)))
    with pytest.raises(WeightsError, match=r"model\.1\.bias"):
        replace_weights(model, {name: values for name, values in other.items() if name != "model.1.bias"})
    with pytest.raises(WeightsError, match="shapes"):
        replace_weights(model, {name: values[:1] for name, values in other.items()})


def test_a_weight_beyond_float16_is_refused() -> None:
    model = to_float32(small_generator())
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "model.1.bias")
    bias.CopyFrom(numpy_helper.from_array(np.full(WIDTH, 1e5, dtype=np.float32), bias.name))
    with pytest.raises(WeightsError, match=r"model\.1\.bias"):
        store_half(model)


@pytest.mark.parametrize("content", [None, b"", b"no model at all", b"\x08\x0a\x12\x04"])
def test_a_file_that_is_no_model_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "bad.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.onnx"):
        read_model(file)


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    whole = to_bytes(small_generator())
    for keep in (0.3, 0.7, 0.99):
        (tmp_path / "cut.onnx").write_bytes(whole[: int(keep * len(whole))])
        with pytest.raises(WeightsError, match=r"cut\.onnx"):
            read_model(tmp_path / "cut.onnx")


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "outside.onnx"
    onnx.save_model(small_generator(), file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(WeightsError, match="other files"):
        read_model(file)


def test_a_model_with_other_inputs_is_refused(tmp_path: Path) -> None:
    model = identity_generator()
    model.graph.input[0].name = model.graph.node[0].input[0] = "image"
    onnx.save_model(model, tmp_path / "other.onnx")
    with pytest.raises(WeightsError, match="image"):
        read_model(tmp_path / "other.onnx")


def test_an_unwritable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing"):
        save(identity_generator(), tmp_path / "missing" / "a.onnx")
