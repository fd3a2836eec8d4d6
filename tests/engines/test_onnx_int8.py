"""The int8 form: which convolutions it takes, what it computes, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from augengine.engines._openvino_peaks import FLOOR, MARGIN, measure_form
from augengine.engines.int8_form import Int8Convolution, Int8Form
from augengine.engines.onnx_int8 import residual_blocks, to_int8, with_peaks
from augengine.engines.onnx_types import fix_shape, read_model, recipe_of, to_float32
from augengine.errors import EngineError, SpecError
from augengine.importing.export import run_onnx
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from tests.support.engine_contract import draw_images
from tests.support.small_generator import write_small_generator

SIDE = 64


@pytest.fixture(scope="module")
def onnx_file() -> Path:
    return find_weights("pas", "cd68", weight_roots()).to_reference


@pytest.fixture(scope="module")
def model(onnx_file: Path) -> ModelProto:
    return to_float32(read_model(onnx_file))


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (2, 3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module")
def form(onnx_file: Path, tiles: np.ndarray) -> Int8Form:
    return measure_form(onnx_file, tiles, "float32")


def error(model: ModelProto, other: ModelProto, tiles: np.ndarray) -> float:
    return float(np.sqrt(np.mean((run_onnx(model, tiles) - run_onnx(other, tiles)) ** 2)))


def test_it_finds_the_convolutions_of_every_residual_block(model: ModelProto) -> None:
    blocks = residual_blocks(model)
    assert len(blocks) == recipe_of(model)["blocks"]
    assert all(len(block) == 2 for block in blocks)
    assert blocks[0][0] == "model.10.conv_block.1.weight"


def test_all_of_them_in_int8_stay_close_to_float32(model: ModelProto, form: Int8Form, tiles: np.ndarray) -> None:
    for unsigned in (True, False):
        assert 0 < error(model, to_int8(model, form, unsigned=unsigned), tiles) < 0.02


def test_values_that_cannot_be_negative_gain_a_bit_from_uint8(
    model: ModelProto, form: Int8Form, tiles: np.ndarray
) -> None:
    with_bit, without = (error(model, to_int8(model, form, unsigned=each), tiles) for each in (True, False))
    assert with_bit < without


def test_fewer_convolutions_cost_less(model: ModelProto, form: Int8Form, tiles: np.ndarray) -> None:
    fewer = form.only(residual_blocks(model)[-1])
    assert fewer is not None
    assert len(fewer.convolutions) == 2
    some, every = (error(model, to_int8(model, each, unsigned=True), tiles) for each in (fewer, form))
    assert 0 < some < every


def test_only_the_chosen_weights_are_bytes(model: ModelProto, form: Int8Form) -> None:
    made = to_int8(model, form, unsigned=True)
    bytes_of = [tensor.name for tensor in made.graph.initializer if tensor.data_type == TensorProto.INT8]
    weights = [name for name in bytes_of if name.endswith(".weight.int8")]
    assert weights == [f"{each.weight}.int8" for each in form.convolutions]
    assert not {each.weight for each in form.convolutions} & {tensor.name for tensor in made.graph.initializer}
    fix_shape(made, 1, SIDE, SIDE)


def test_equal_forms_give_equal_graphs(model: ModelProto, form: Int8Form) -> None:
    one, other = (to_int8(model, form, unsigned=True).SerializeToString(deterministic=True) for _ in range(2))
    assert one == other


def test_equalising_the_channels_lowers_the_error(model: ModelProto, form: Int8Form, tiles: np.ndarray) -> None:
    """With one range for all channels of a convolution, quiet channels have few steps."""
    flat = replace(
        form,
        convolutions=tuple(replace(each, peaks=(max(each.peaks),) * len(each.peaks)) for each in form.convolutions),
    )
    equalised, plain = (error(model, to_int8(model, each, unsigned=True), tiles) for each in (form, flat))
    assert equalised < plain


def test_ranges_have_room_and_a_floor(onnx_file: Path, tiles: np.ndarray, form: Int8Form) -> None:
    for each in form.convolutions:
        assert min(each.peaks) >= 0.99 * FLOOR * max(each.peaks)
    louder = measure_form(onnx_file, np.concatenate([tiles, -tiles]), "float32")
    pairs = zip(louder.convolutions, form.convolutions, strict=True)
    assert all(max(one.peaks) >= max(other.peaks) for one, other in pairs)
    assert MARGIN > 1


def test_a_graph_of_others_has_no_residual_blocks_of_ours(model: ModelProto) -> None:
    foreign = ModelProto()
    foreign.CopyFrom(model)
    names = {tensor.name: f"layer{number}" for number, tensor in enumerate(foreign.graph.initializer)}
    for tensor in foreign.graph.initializer:
        tensor.name = names[tensor.name]
    for node in foreign.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    assert residual_blocks(foreign) == ()


def test_scales_of_norms_are_no_convolutions(tmp_path: Path) -> None:
    """A generator whose norms have scales and shifts, as the recipe icube has."""
    torch = pytest.importorskip("torch")
    from augengine.generator import Generator, Recipe
    from augengine.importing.export import to_onnx

    torch.manual_seed(0)
    affine = to_float32(to_onnx(Generator(Recipe.icube(width=4, blocks=1))))
    ((first, second),) = residual_blocks(affine)
    assert (first, second) == ("model.10.conv_block.1.weight", "model.10.conv_block.5.weight")
    (tmp_path / "affine.onnx").write_bytes(affine.SerializeToString())
    x = draw_images(2)
    form = measure_form(tmp_path / "affine.onnx", x, "float32")
    assert 0 < error(affine, to_int8(affine, form, unsigned=True), x) < 0.1


@pytest.mark.parametrize("opset", [12, 13, 17])
def test_older_operators_are_measured_or_refused(model: ModelProto, opset: int) -> None:
    older = ModelProto()
    older.CopyFrom(model)
    older.opset_import[0].version = opset
    if opset < 13:
        assert residual_blocks(older) == ()
        return
    made, weights = with_peaks(fix_shape(model, 1, SIDE, SIDE))
    assert {node.op_type for node in made.graph.node if node.name.endswith(".peak")} == {"GlobalMaxPool"}
    assert residual_blocks(older) == residual_blocks(model)
    assert len(weights) == 2 * len(residual_blocks(model))


def test_a_small_generator_is_quantised_too(tmp_path: Path) -> None:
    onnx_file = write_small_generator(tmp_path / "small.onnx")
    x = draw_images(2)
    form = measure_form(onnx_file, x, "float32")
    model = to_float32(read_model(onnx_file))
    assert 0 < error(model, to_int8(model, form, unsigned=True), x) < 0.1


def test_a_form_of_another_generator_is_refused(model: ModelProto) -> None:
    odd = Int8Form(
        convolutions=(Int8Convolution(weight="model.99.conv_block.1.weight", peaks=(1.0,)),), others="float32"
    )
    with pytest.raises(EngineError, match=r"model\.99"):
        to_int8(model, odd, unsigned=True)
    short = Int8Form(
        convolutions=(Int8Convolution(weight="model.10.conv_block.1.weight", peaks=(1.0,)),), others="float32"
    )
    with pytest.raises(EngineError, match="128 input channels"):
        to_int8(model, short, unsigned=True)


def test_values_check_themselves() -> None:
    for peaks in ((), (0.0,), (float("nan"),), (float("inf"),)):
        with pytest.raises(SpecError, match="positive peak"):
            Int8Convolution(weight="w", peaks=peaks)
    each = Int8Convolution(weight="w", peaks=(1.0,))
    for convolutions in ((), (each, each)):
        with pytest.raises(SpecError, match="different weights"):
            Int8Form(convolutions=convolutions, others="float32")
