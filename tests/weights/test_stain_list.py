"""The list of stains: built-in and own ones, their generators, and the verdicts on these."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from augengine.cli.main import main
from augengine.stains import _MEANT, ABOUT_KEYS, BUILT_IN, Stain


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
    assert f"cd68: by way of pas; eps {BUILT_IN['cd68'].recommended_eps:g} recommended" in done.output
    assert "pas: a reference stain" in done.output
    assert "generators for the sample set, 0.5 um/px" in done.output
    assert "generators: none; train a pair" in done.output  # hdab has none


def test_a_stain_of_ones_own_is_listed_and_hides_a_built_in_one(own_home: Path) -> None:
    add(own_home, 'name = "cd3"\nreference = "pas"\nchromogen = [0.27, 0.57, 0.78]\n')
    own = replace(BUILT_IN["cd34"], recommended_eps=0.03)
    add(own_home, own.to_toml(), "cd34")
    done = call()
    assert "cd3: by way of pas, your own; eps: measure it with augengine probe" in done.output
    assert "cd34: by way of pas, your own; eps 0.03 recommended" in done.output
    assert done.output.count("cd34: ") == 1


def test_json_holds_every_field() -> None:
    said = {each["name"]: each for each in json.loads(call("--json").stdout)}
    assert set(said) == set(BUILT_IN)
    assert said["cd68"]["recommended_eps"] == BUILT_IN["cd68"].recommended_eps
    assert [pair["name"] for pair in said["cd68"]["pairs"]] == ["cd68", "cd68 (sample set)"]


def test_every_key_of_a_file_is_explained_and_the_explanation_names_no_other() -> None:
    assert set(ABOUT_KEYS) == set(_MEANT) == set(Stain.__dataclass_fields__)
    done = call("--keys")
    assert all(key in done.output for key in ABOUT_KEYS)
    assert json.loads(call("--keys", "--json").stdout) == dict(ABOUT_KEYS)


def test_a_file_that_is_no_stain_is_refused_with_its_name(own_home: Path) -> None:
    add(own_home, "name = 3\n")
    done = call()
    assert done.exit_code == 2
    assert "cd3.toml" in done.output
