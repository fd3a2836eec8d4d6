"""The list of stains: built-in and own ones, their generators, and the verdicts on these."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from augengine.cli.main import main
from augengine.stains import _MEANT, ABOUT_KEYS, BUILT_IN, Stain
from tests.support.small_generator import write_small_pair


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path))
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["stains", *arguments])


def add(home: Path, text: str, name: str = "cd3") -> None:
    (home / "stains").mkdir(exist_ok=True)
    (home / "stains" / f"{name}.toml").write_text(text)


def test_built_in_stains_and_their_pairs_are_listed() -> None:
    done = call()
    assert done.exit_code == 0, done.output
    assert f"cd68: by way of pas; augment takes eps {BUILT_IN['cd68'].recommended_eps:g};" in done.output
    assert "pas: a reference stain" in done.output
    assert "generators for the sample set, 0.5 um/px" in done.output
    assert "generators: none; train a pair" in done.output  # hdab has none


def test_a_stain_of_ones_own_is_listed_and_hides_a_built_in_one(own_home: Path) -> None:
    add(own_home, 'name = "cd3"\nreference = "pas"\nchromogen = [0.27, 0.57, 0.78]\n')
    own = replace(BUILT_IN["cd34"], recommended_eps=0.03)
    add(own_home, own.to_toml(), "cd34")
    done = call()
    assert "cd3: by way of pas, your own; eps: measure it with augengine probe" in done.output
    assert "cd34: by way of pas, your own; augment takes eps 0.03" in done.output
    assert done.output.count("cd34: ") == 1


def test_json_holds_every_field() -> None:
    said = {each["name"]: each for each in json.loads(call("--json").stdout)["stains"]}
    assert set(said) == set(BUILT_IN)
    assert said["cd68"]["recommended_eps"] == BUILT_IN["cd68"].recommended_eps
    assert [pair["name"] for pair in said["cd68"]["pairs"]] == ["cd68", "cd68 (sample set)"]


def test_every_key_of_a_file_is_explained_and_the_explanation_names_no_other() -> None:
    assert set(ABOUT_KEYS) == set(_MEANT) == set(Stain.__dataclass_fields__)
    done = call("--keys")
    assert all(key in done.output for key in ABOUT_KEYS)
    assert json.loads(call("--keys", "--json").stdout) == dict(ABOUT_KEYS)


def test_what_cannot_be_used_is_named_and_hides_nothing_else(own_home: Path) -> None:
    add(own_home, "name = 3\n", "broken")
    add(own_home, 'name = "cd3"\nreference = "pas"\nchromogen = [0.27, 0.57, 0.78]\n', "misnamed")
    half = write_small_pair(own_home / "weights", stain="cd3")
    (half / "to-reference.onnx").unlink()
    write_small_pair(own_home / "weights", stain="cd34")
    done = call()
    assert done.exit_code == 1
    refused = [line for line in done.output.splitlines() if line.startswith("cannot be used: ")]
    assert [name for name in ("broken.toml", "misnamed.toml", "half a pair") if name not in "".join(refused)] == []
    assert len(refused) == 3
    assert f"generators in {own_home / 'weights'}, 0.5 um/px" in done.output
    assert "cd68: by way of pas" in done.output


def test_generators_by_way_of_another_reference_are_not_a_stains(own_home: Path) -> None:
    add(own_home, replace(BUILT_IN["cd68"], reference="he").to_toml(), "cd68")
    said = {each["name"]: each for each in json.loads(call("--json").stdout)["stains"]}
    assert said["cd68"]["pairs"] == []
