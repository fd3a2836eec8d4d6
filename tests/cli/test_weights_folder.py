"""A folder that is named with --weights is the only one that is searched, by every command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commands import all_commands
from tests.support.imports import call
from tests.support.pictures import write_folder

COMMANDS = {
    "augment": ("--stain", "cd68", "--eps", "0.05", "--mpp", "0.5"),
    "augment --dry-run": ("--stain", "cd68", "--eps", "0.05", "--mpp", "0.5"),
    "probe": ("--stain", "cd68", "--mpp", "0.5"),
    "preview": ("--stain", "cd68", "--mpp", "0.5"),
    "build-engines": ("--stain", "cd68"),
}


def test_every_command_that_takes_such_a_folder_is_here() -> None:
    read = {
        name
        for name, command in all_commands().items()
        if any(option.name == "weights" for option in command.params) and name != "import"
    }
    assert read == {name.split()[0] for name in COMMANDS}


def another_stain(folder: Path, small_weights: Path) -> None:
    """The folder of a pair under another stain's name: it is not even opened."""
    shutil.copytree(small_weights / "pas-cd68", folder / "pas-cd34")


@pytest.mark.parametrize("holds", ["nothing", "another stain", "half a pair", "is not there"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_named_folder_that_lacks_the_stain_is_refused(
    command: str, holds: str, small_weights: Path, tmp_path: Path
) -> None:
    folder, source = tmp_path / "weights", write_folder(tmp_path / "in", ["a"])
    out = tmp_path / ("out.png" if command == "preview" else "out")
    if holds != "is not there":
        folder.mkdir()
    if holds == "another stain":
        another_stain(folder, small_weights)
    if holds == "half a pair":
        shutil.copytree(small_weights / "pas-cd68", folder / "pas-cd68")
        (folder / "pas-cd68" / "from-reference.onnx").unlink()
    said = [*command.split(), *COMMANDS[command], "--weights", folder]
    if command != "build-engines":
        said += ["--in", source, "--out", out]
    result = call(*said)
    assert result.exit_code == 2, result.output
    reason = {"half a pair": "half a pair", "is not there": "does not exist"}.get(holds, "no weights for pas-cd68")
    assert reason in result.stderr
    assert "hint:" in result.stderr
    assert not out.exists()


def test_all_stains_of_a_folder_without_any_are_refused(tmp_path: Path) -> None:
    result = call("build-engines", "--weights", tmp_path)
    assert result.exit_code == 2
    assert f"no stain has weights in {tmp_path}" in result.stderr
