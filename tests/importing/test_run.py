"""`augengine import` of checkpoints: what goes in augments, and what is refused changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from augengine.cli.importing import import_command
from augengine.engines.onnx_types import read_model, to_float32, weights_of
from augengine.generator import as_state, generator_from, run_generator
from augengine.importing.export import run_onnx, to_onnx
from augengine.json_values import from_json
from augengine.shards.verify import verify
from augengine.weights.cards import DIRECTIONS, digest_weights, find_weights, read_card
from augengine.weights.recipe import Padding, Recipe, RecipeName, Upsampling
from tests.generator.test_network import RunsOnLoad
from tests.support.foreign_generators import Numbered, draw_weights
from tests.support.imports import bring_in, call, call_import, files_below, refused
from tests.support.learnt_pair import RECIPE, STAIN, Pair
from tests.support.learnt_pair import onnx_pair as onnx_pair
from tests.support.learnt_pair import pair as pair
from tests.support.learnt_pair import tiles as tiles
from tests.support.pictures import write_folder

pytestmark = pytest.mark.e2e

GREY_LEVEL = 1 / 127.5


def test_an_imported_pair_augments(pair: Pair, tiles: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "weights", tmp_path / "out"
    for direction in DIRECTIONS:
        more = ("--recipe", "icube", "--mpp", 0.5, "--tiles", tiles)
        result = call_import(pair[direction], root, direction, *more)
        assert result.exit_code == 0, result.stderr
        assert "found a generator of 6 channels, 3 residual blocks" in result.stderr
        assert "a ReLU behind each norm, a tanh at the end" in result.stderr
        assert "ReLU after each addition" not in result.stderr
        assert "warning" not in result.stderr
        assert "the cost of rounding to float16: RMS" in result.stdout
        assert ("the other direction is not there yet" in result.stdout) == (direction == "to-reference")
        assert ("cycle error" in result.stdout) == (direction == "from-reference")
    source = write_folder(tmp_path / "in", ["a", "b", "c"], masks=True)
    said = ("--stain", "cd68", "--eps", 0.05, "--mpp", 0.5, "--in", source, "--out", out, "--weights", root)
    assert call("augment", "--force", *said).exit_code == 0
    assert verify(out).ok


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "onnx"])
def test_every_form_of_file_is_stored_as_the_same_generator(form: str, pair: Pair, tmp_path: Path) -> None:
    state = torch.load(pair["to-reference"], weights_only=True)
    generator = generator_from(RECIPE, state, "it")
    file = tmp_path / {"safetensors": "G.safetensors", "onnx": "G.onnx"}.get(form, "G.pth")
    match form:
        case "safetensors":
            save_file(state, file)
        case "onnx":
            onnx.save(to_onnx(generator), file)
        case _:
            torch.save({"netG": state}, file, _use_new_zipfile_serialization=form == "zip")
    imported = bring_in(file, tmp_path / "weights", recipe=None if form == "onnx" else "icube")
    card = read_card(imported.file.with_suffix(".json"))
    assert card == imported.card
    assert (from_json(Recipe, card.recipe), card.checkpoint_digest) == (RECIPE, digest_weights(file))
    assert (card.stain, card.reference, card.direction, card.mpp) == ("cd68", "pas", "to-reference", 0.5)
    assert 0 < card.parity.rms < 1e-2
    x = STAIN
    np.testing.assert_allclose(run_onnx(read_model(imported.file), x), run_generator(generator, x), atol=4 * GREY_LEVEL)


def test_another_kind_of_upsampling_is_stored_and_runs_in_every_engine(tmp_path: Path) -> None:
    network = draw_weights(Numbered(up="bilinear", up_pad=True, block="block"))
    torch.save({"module.G." + name: tensor for name, tensor in network.state_dict().items()}, tmp_path / "G.pth")
    file = bring_in(tmp_path / "G.pth", tmp_path / "weights", upsampling="bilinear").file
    x = STAIN
    expected = network(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_onnx(to_float32(read_model(file)), x), expected, atol=4 * GREY_LEVEL)
    again = generator_from(
        from_json(Recipe, read_card(file.with_suffix(".json")).recipe), as_state(weights_of(read_model(file))), "it"
    )
    np.testing.assert_allclose(run_generator(again, x), expected, atol=4 * GREY_LEVEL)


def test_the_card_says_what_was_said_and_what_was_not(onnx_pair: Pair, tmp_path: Path) -> None:
    silent = bring_in(onnx_pair["to-reference"], tmp_path, mpp=None)
    assert (silent.card.training, silent.card.mpp) == ("imported; not stated", 0.5)
    assert any("um/px was not stated" in warning for warning in silent.warnings)
    said = bring_in(onnx_pair["to-reference"], tmp_path, mpp=0.25, training="20 slides", force=True)
    assert (said.card.training, said.card.mpp, said.warnings) == ("20 slides", 0.25, ())


def test_without_a_folder_it_goes_where_augment_looks(onnx_pair: Pair, tiles: Path, tmp_path: Path) -> None:
    environment = os.environ | {"AUGENGINE_HOME": str(tmp_path)}
    for direction in DIRECTIONS:
        command = [sys.executable, "-m", "augengine", "import", str(onnx_pair[direction]), "--stain", "cd34"]
        command += ["--direction", direction, "--tiles", str(tiles)]
        assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    assert find_weights("pas", "cd34", [tmp_path / "weights"]).mpp == 0.5


def test_json_is_alone_on_standard_output(onnx_pair: Pair, tiles: Path, tmp_path: Path) -> None:
    for direction in DIRECTIONS:
        result = call_import(onnx_pair[direction], tmp_path, direction, "--mpp", 0.5, "--tiles", tiles, "--json")
        said = json.loads(result.stdout)
        assert result.stderr == ""
    assert said["card"]["direction"] == "from-reference"
    assert said["cycle"]["verdict"] == "as stated"
    assert Path(said["file"]).is_file()


def test_what_is_there_is_not_replaced_unless_forced(onnx_pair: Pair, tmp_path: Path) -> None:
    bring_in(onnx_pair["to-reference"], tmp_path)
    before = files_below(tmp_path)
    refused(call_import(onnx_pair["from-reference"], tmp_path, "to-reference"), "is there already")
    assert files_below(tmp_path) == before
    assert call_import(onnx_pair["from-reference"], tmp_path, "to-reference", "--force").exit_code == 0
    assert files_below(tmp_path).keys() == before.keys()
    assert files_below(tmp_path) != before


def test_a_failure_leaves_what_was_there(pair: Pair, onnx_pair: Pair, tmp_path: Path) -> None:
    root = tmp_path / "weights"
    bring_in(onnx_pair["to-reference"], root)
    before = files_below(root)
    state = torch.load(pair["to-reference"], weights_only=True)
    torch.save({**state, "model.1.weight": 1e-7 * state["model.1.weight"]}, tmp_path / "spoilt.pth")
    refused(call_import(tmp_path / "spoilt.pth", root, "to-reference", "--force"), "rounded to float16")
    assert files_below(root) == before
    refused(call_import(tmp_path / "spoilt.pth", tmp_path / "new" / "root", "to-reference"), "rounded to float16")
    assert not (tmp_path / "new").exists()


def test_a_refused_import_makes_no_home(onnx_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    said = ("--stain", "cd68", "--direction", "to-reference", "--mpp", 0.5)
    (tmp_path / "G.onnx").write_text("no network")
    refused(call("import", tmp_path / "G.onnx", *said), "G.onnx")
    assert not (tmp_path / "home").exists()
    assert call("import", onnx_pair["to-reference"], *said).exit_code == 0
    assert (tmp_path / "home" / "format").is_file()


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_code_in_a_checkpoint_does_not_run(form: str, tmp_path: Path) -> None:
    trace, file = tmp_path / "trace", tmp_path / "G.pth"
    content = {**Numbered().state_dict(), "extra": RunsOnLoad(trace)}
    torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    refused(call_import(file, tmp_path / "weights", "to-reference"), "not run")
    assert not trace.exists()
    assert not (tmp_path / "weights").exists()
    torch.load(file, weights_only=False)
    assert trace.exists(), "the file is harmless, so the test showed nothing"


def test_each_refusal_leaves_with_2_a_line_and_a_hint(pair: Pair, tmp_path: Path) -> None:
    root, good = tmp_path / "weights", pair["to-reference"]
    torch.save(Numbered(norm=nn.BatchNorm2d, bias=False).state_dict(), tmp_path / "bn.pth")
    torch.save({name: Numbered().state_dict() for name in ("netG_A", "netG_B")}, tmp_path / "two.pth")
    (tmp_path / "keras.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "file").write_text("in the way")
    refused(call_import(tmp_path / "none.pth", root, "to-reference"), "there is no")
    refused(call_import(tmp_path / "bn.pth", root, "to-reference"), "batch norm")
    refused(call_import(tmp_path / "two.pth", root, "to-reference"), "netG_A, netG_B")
    refused(call_import(tmp_path / "keras.h5", root, "to-reference"), "Keras")
    refused(call_import(good, root, "to-reference", "--reference", "he"), "the reference of cd68 is pas, not he")
    refused(call_import(good, root, "to-reference", "--mpp", 0), "mpp")
    refused(call_import(good, root, "to-reference", "--entry", "netG"), "no entry 'netG'")
    refused(call_import(good, root, "to-reference", "--upsampling", "nearest"), "transposed")
    refused(call_import(good, tmp_path / "file", "to-reference"), "file")
    said = ("import", good, "--weights", root, "--direction", "to-reference", "--stain")
    refused(call(*said, "pas"), "pas is a reference stain")
    refused(call(*said, "cd3"), "unknown stain 'cd3'")
    assert not root.exists()
    assert call_import(tmp_path / "two.pth", root, "to-reference", "--entry", "netG_B").exit_code == 0


def test_every_choice_of_the_library_is_an_option(tmp_path: Path) -> None:
    choices = {
        option.name: set(option.type.choices)
        for option in import_command.params
        if isinstance(option.type, click.Choice)
    }
    assert choices == {
        "direction": set(DIRECTIONS),
        "recipe": set(get_args(RecipeName)),
        "upsampling": set(get_args(Upsampling)),
        "padding": set(get_args(Padding)),
    }


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from augengine.cli.main import main\n"
        "main(['import', 'G.pth', '--stain', 'cd68', '--direction', 'to-reference'])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "augengine[train]" in done.stderr
