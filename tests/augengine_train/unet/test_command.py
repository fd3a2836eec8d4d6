"""The command ``augengine train unet``: it trains, measures, augments online, and refuses in a line with a hint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from augengine_train.unet import Cohort
from augengine_train.unet.__main__ import main
from augengine_train.unet.fit import measure
from tests.support.datasets import make
from tests.support.segmenter_tiles import names, write_tiles
from tests.support.segmenter_trainings import cohort as cohort
from tests.support.segmenter_trainings import trained as trained
from tests.support.segmenter_trainings import weights

pytestmark = pytest.mark.usefixtures("one_thread")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


TOY = ["--recipe", "small", "--width", 4, "--depth", 2, "--crop", 32, "--steps", 2, "--stain", "cd68"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for number, patient in enumerate(("anna", "berta", "carl")):
        write_tiles(folder, names(patient[0], 2), seed=10 * number, patient=patient, shard=patient)
    (folder.parent / "patients.csv").write_text(
        "file,patient,split\na*,anna,train\nb*,berta,validation\nc*,carl,test\n"
    )
    return folder


def test_the_command_trains_by_a_patients_file_and_reports(shards: Path, tmp_path: Path) -> None:
    arguments = ["--data", shards, "--patients", shards.parent / "patients.csv", "--out", tmp_path, *TOY]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    said = json.loads((tmp_path / "test.json").read_text())
    assert set(said) == {"pixels", "objects"}
    assert set(rows(said)) <= set(done.output.splitlines())
    assert run(*arguments).exit_code == 2
    again = run(*arguments, "--resume")
    assert again.exit_code == 0
    assert "goes on after step 2" in again.output
    assert run(*arguments, "--measure-only").exit_code == 0


def rows(said: Mapping[str, Any]) -> list[str]:
    """The lines that a command prints of what stands in its test.json."""
    kinds = {name: [said[f"{name}s"][measured] for measured in MEASURED] for name in ("pixel", "object")}
    return [f"by {name}".ljust(12) + "".join(f"{value:11.4f}" for value in values) for name, values in kinds.items()]


MEASURED = ("f1", "precision", "recall")


def test_what_is_measured_again_is_printed_and_written(trained: Path, cohort: Cohort) -> None:
    train, test = (tiles[0].images[0].file for tiles in (cohort.train, cohort.test))
    done = run("--train", train, "--test", test, "--out", trained, "--measure-only", *TOY)
    assert done.exit_code == 0, done.output
    found = measure(trained, cohort.test)
    assert len({getattr(found.pixels, name) for name in MEASURED}) == 3
    assert json.loads((trained / "test.json").read_text()) == found.to_json()
    assert done.output.splitlines()[1:] == rows(found.to_json())


@pytest.mark.e2e
def test_the_command_augments_online_or_reads_what_was_written(
    shards: Path, small_weights: Path, tmp_path: Path
) -> None:
    arguments = ["--train", shards / "anna.tar", "--test", shards / "carl.tar", *TOY]
    online = run(*arguments, "--online", "--eps", 0.05, "--weights", small_weights, "--out", tmp_path / "online")
    assert online.exit_code == 0, online.output
    make(
        shards / "anna.tar",
        tmp_path / "ahead",
        small_weights,
        variants=8,
        include_source=True,
        chain="plain",
        precision="float32",
    )
    written = ["--train", tmp_path / "ahead", "--variants", "fresh", "--out", tmp_path / "read"]
    read = run(*arguments[2:], *written)
    assert read.exit_code == 0, read.output
    assert weights(tmp_path / "read") == weights(tmp_path / "online")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "o"], "what is trained on"),
        (["--out", "o", "--train", "{}/anna.tar", "--data", "{}"], "what is trained on"),
        (["--out", "o", "--train", "{}/anna.tar", "--variants", "many"], "--variants is a number"),
        (["--out", "o", "--train", "{}/anna.tar", "--recipe", "small", "--online"], "needs the stain"),
        (["--out", "o", "--train", "{}/anna.tar", "--recipe", "small"], "smaller than a crop of 128 px"),
        (["--out", "o", "--train", "{}/anna.tar", "--crop", "28", "--depth", "2"], "vectors"),
    ],
)
def test_the_command_refuses_in_a_line_with_a_hint(shards: Path, arguments: list[str], said: str) -> None:
    done = run(*(argument.format(shards) for argument in arguments))
    assert (done.exit_code, done.exception.__class__) == (2, SystemExit)
    assert said in done.output
    assert "hint: " in done.output
