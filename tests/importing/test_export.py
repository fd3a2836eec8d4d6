"""A generator exported to ONNX is the generator it was exported from."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from augengine.engines.onnx_float16 import to_float16
from augengine.engines.onnx_types import (
    fix_shape,
    read_model,
    recipe_of,
    to_bytes,
    to_float32,
    weights_of,
)
from augengine.errors import WeightsError
from augengine.generator import Generator, Recipe
from augengine.importing.export import Provenance, drawn_tile, export_generator, measure_parity, run_onnx, to_onnx
from augengine.json_values import from_json, to_json
from augengine.weights.cards import Card, Direction, read_card

pytestmark = pytest.mark.e2e

RECIPES = [
    Recipe.zhu2017(width=4, blocks=2),
    Recipe.icube(width=4, blocks=1),
    Recipe(name="icube", width=3, blocks=0, affine=False, relu_after_add=True),
]
GREY_LEVEL = 1 / 127.5


def make_generator(recipe: Recipe = RECIPES[0], seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    generator = Generator(recipe).eval().requires_grad_(requires_grad=False)
    for name, parameter in generator.named_parameters():
        if name.endswith(("2.weight", "6.weight")):  # Norms start as ones. Their biases stay zero, and all equal.
            parameter.add_(torch.rand_like(parameter))
    return generator


def make_provenance(direction: Direction = "to-reference") -> Provenance:
    return Provenance(
        stain="cd68",
        reference="pas",
        direction=direction,
        mpp=0.5,
        training="none: random weights",
        limits="for tests",
        checkpoint_digest="none",
    )


@pytest.fixture(scope="module", params=RECIPES, ids=lambda recipe: f"{recipe.name}-{recipe.width}")
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Generator, Path, Card]:
    generator, root = make_generator(request.param), tmp_path_factory.mktemp("weights")
    card = export_generator(generator, make_provenance(), root)
    return generator, root / "pas-cd68" / "to-reference.onnx", card


def test_the_card_beside_it_says_what_was_written(exported: tuple[Generator, Path, Card]) -> None:
    generator, file, card = exported
    assert read_card(file.with_suffix(".json")) == card
    assert card.recipe == to_json(generator.recipe) == recipe_of(read_model(file))
    assert 0 < card.parity.rms <= card.parity.max


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 3, 20, 48)])
def test_every_shape_is_translated_within_a_grey_level_of_torch(
    exported: tuple[Generator, Path, Card], shape: tuple[int, ...]
) -> None:
    generator, file, _ = exported
    x = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    expected = generator(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_onnx(read_model(file), x), expected, atol=GREY_LEVEL)


def test_every_weight_is_there_under_its_name_rounded_to_float16(exported: tuple[Generator, Path, Card]) -> None:
    generator, file, _ = exported
    stored, state = weights_of(read_model(file)), generator.state_dict()
    assert set(stored) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(stored[name], tensor.half().float().numpy())


def test_the_generator_rebuilt_from_the_file_alone_is_the_rounded_one(exported: tuple[Generator, Path, Card]) -> None:
    _, file, _ = exported
    model = read_model(file)
    rebuilt = Generator(from_json(Recipe, recipe_of(model))).eval()
    rebuilt.load_state_dict({name: torch.from_numpy(values) for name, values in weights_of(model).items()})
    parity = measure_parity(rebuilt, model, drawn_tile(seed=3))
    assert parity.max < 1e-4


def test_the_same_generator_gives_the_same_bytes_and_no_trace_of_this_machine() -> None:
    content = to_bytes(to_onnx(make_generator()))
    assert to_bytes(to_onnx(make_generator())) == content
    assert str(Path.cwd()).encode() not in content
    assert b".py" not in content


def test_without_onnxruntime_onnx_itself_measures_the_same(exported: tuple[Generator, Path, Card]) -> None:
    stored, x = read_model(exported[1]), drawn_tile()[:, :, :32, :32]
    (y,) = ReferenceEvaluator(stored).run(None, {"x": x})
    np.testing.assert_allclose(np.asarray(y), run_onnx(stored, x), atol=1e-5)


def test_the_exporter_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_onnx(make_generator())
    assert capfd.readouterr() == ("", "")


def test_weights_that_float16_cannot_hold_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    generator = make_generator()
    generator.get_parameter("model.1.bias").fill_(1e6)
    with pytest.raises(WeightsError, match=r"model\.1\.bias"):
        export_generator(generator, make_provenance(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_generator_that_rounding_spoils_is_refused(tmp_path: Path) -> None:
    generator = make_generator()
    # Values below float16's smallest step vanish; the norm behind would have made them count.
    generator.get_parameter("model.1.weight").mul_(1e-7)
    with pytest.raises(WeightsError, match="RMS"):
        export_generator(generator, make_provenance(), tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match="file"):
        export_generator(make_generator(), make_provenance(), tmp_path / "file")


def test_tensorrt_reads_both_forms(exported: tuple[Generator, Path, Card]) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    stored = read_model(exported[1])
    for form in (to_float32(stored), to_float16(stored)):
        network = trt.Builder(logger := trt.Logger(trt.Logger.ERROR)).create_network(0)
        parser = trt.OnnxParser(network, logger)
        assert parser.parse(to_bytes(fix_shape(form, 1, 64, 64))), parser.get_error(0).desc()
