"""Foreign graphs are repaired where that changes no value, and refused with the reason where it would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

from augengine.errors import CheckpointError
from augengine.importing.export import Tile, drawn_images, run_onnx
from augengine.importing.foreign_onnx import read_foreign, stored_form
from tests.support.foreign_graphs import (
    CHANNELS_LAST,
    OPEN,
    channels_last,
    convolution,
    dropped,
    graph,
    hand_norm,
    node,
    of_size,
    strided,
    write,
)

X = drawn_images(2, 32, 48)
WHITE = np.ones((1, 3, 32, 32), np.float32)


def run_foreign(model: ModelProto, folder: Path, x_nchw: Tile = X) -> Tile:
    """What the stored form of a file makes of images."""
    file = write(model, folder / "G.onnx")
    return run_onnx(stored_form(read_foreign(file).graph, file), x_nchw)


@pytest.mark.parametrize("out", [CHANNELS_LAST, OPEN, ("p", "q", "r", "s")])
def test_channels_that_come_last_are_turned(out: tuple[int | str, ...], tmp_path: Path) -> None:
    model = channels_last(CHANNELS_LAST if out != OPEN else out)
    if out == OPEN:  # only its input has them last
        model.graph.node[-1].output[0] = "t"
        model.graph.node.append(helper.make_node("Transpose", ["t"], ["b"], perm=[0, 3, 1, 2]))
    scales = np.array([0.5, 0.25, 0.125], np.float32)[:, None, None]
    np.testing.assert_allclose(run_foreign(model, tmp_path), np.tanh(X * scales), atol=1e-6)
    assert any("channels last" in note for note in read_foreign(tmp_path / "G.onnx").notes)


def test_dropout_in_training_mode_is_switched_off(tmp_path: Path) -> None:
    expected = run_foreign(dropped(False), tmp_path)
    assert read_foreign(tmp_path / "G.onnx").notes == ()
    np.testing.assert_array_equal(run_foreign(dropped(True), tmp_path), expected)
    assert any("dropout" in note for note in read_foreign(tmp_path / "G.onnx").notes)


def test_a_dropout_whose_mask_is_used_and_a_batch_norm_that_trains_are_refused(tmp_path: Path) -> None:
    numbers = {name: np.ones(3, np.float32) for name in "stuv"}
    trains = graph([node("BatchNormalization", "a s t u v", "c d e", training_mode=1), node("Tanh", "c", "b")], numbers)
    for model in (dropped(True, mask=True), trains):
        with pytest.raises(CheckpointError, match="in training mode") as caught:
            read_foreign(write(model, tmp_path / "G.onnx"))
        assert "net.eval()" in caught.value.hint


def test_random_numbers_are_refused(tmp_path: Path) -> None:
    nodes = [node("RandomNormalLike", "a", "r"), node("Add", "a r", "c"), node("Tanh", "c", "b")]
    with pytest.raises(CheckpointError, match="draws random numbers"):
        read_foreign(write(graph(nodes, {}), tmp_path / "G.onnx"))


def test_what_computes_in_float16_inside_is_named_so(tmp_path: Path) -> None:
    weights = convolution().astype(np.float16)
    conv = node("Conv", "h w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    ends = node("Cast", "a", "h", to=TensorProto.FLOAT16), node("Cast", "c", "b", to=TensorProto.FLOAT)
    for nodes in ([ends[0], conv, ends[1]], [ends[1], conv, ends[0]]):  # a converter may leave them in any order
        with pytest.raises(CheckpointError, match="computes in float16 inside"):
            read_foreign(write(graph(nodes, {"w": weights}), tmp_path / "G.onnx"))


@pytest.mark.parametrize(("epsilon", "bound"), [(1e-5, 1e4), (1e-8, 1e4), (1e-12, 1e4), (1e-8, 1e9), (1e-5, 3e38)])
def test_small_constants_keep_their_values(epsilon: float, bound: float, tmp_path: Path) -> None:
    model = hand_norm(epsilon, bound)
    exact = read_foreign(write(model, tmp_path / "G.onnx")).graph
    for x in (X, WHITE, -WHITE):
        y = run_foreign(model, tmp_path, x)
        assert np.isfinite(y).all()
        # On a blank image a norm has only the rounding of its weights to enlarge, at the borders.
        assert 127.5 * np.abs(y - run_onnx(exact, x)).mean() < 1
    stored = stored_form(exact, tmp_path / "G.onnx").graph.initializer
    kept = {t.name: float(numpy_helper.to_array(t)) for t in stored if t.name in ("eps", "low", "high")}
    assert kept == pytest.approx({"eps": epsilon, "low": -bound, "high": bound})


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    model = strided(4)
    expected = run_foreign(model, tmp_path)
    convert_model_to_external_data(model, location="G.onnx.data", size_threshold=0)
    onnx.save(model, tmp_path / "G.onnx")
    assert (tmp_path / "G.onnx.data").stat().st_size > (tmp_path / "G.onnx").stat().st_size
    file = tmp_path / "G.onnx"
    np.testing.assert_array_equal(run_onnx(stored_form(read_foreign(file).graph, file), X), expected)
    (tmp_path / "G.onnx.data").unlink()
    with pytest.raises(CheckpointError, match=r"G\.onnx\.data, which is not there") as caught:
        read_foreign(file)
    assert "external_data=False" in caught.value.hint


@pytest.mark.parametrize(
    ("shape", "fixed"),
    [
        (OPEN, None),
        ((1, 3, 64, 96), (64, 96)),
        (("n", 3, 64, "w"), (64, "w")),
        ((1, 64, 96, 3), (64, 96)),
    ],
)
def test_sides_that_the_file_fixes_are_told(shape: tuple[int | str, ...], fixed: object, tmp_path: Path) -> None:
    file = write(graph([node("Tanh", "a", "b")], {}, shape), tmp_path / "G.onnx")
    assert read_foreign(file).fixed == fixed
    np.testing.assert_allclose(run_onnx(read_foreign(file).graph, X), np.tanh(X), atol=1e-6)
    assert read_foreign(write(of_size(64, 64), file)).fixed == (64, 64)
