"""`augengine train`: every command exists, and without its packages it says what to install."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import click
import pytest

from augengine.cli.train import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_list_is_there(name: str) -> None:
    command = import_module(COMMANDS[name].module).main
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def run(hidden: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where packages are not installed."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden.split()!r})); "
        "from augengine.cli.main import main; main()"
    )
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_the_list_needs_none_of_trainings_packages() -> None:
    done = run("torch kornia accelerate augengine_train", "train", "--help")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


def test_a_command_without_its_packages_says_what_to_install() -> None:
    done = run("torch", "train", "cyclegan", "--help")
    assert done.returncode == 2
    assert "error: the command cyclegan needs the package torch" in done.stderr
    assert "pip install 'augengine[train]'" in done.stderr


def test_an_unknown_command_is_refused() -> None:
    done = run("", "train", "everything")
    assert done.returncode == 2
    assert "No such command 'everything'" in done.stderr


def test_a_refused_training_shows_its_traceback_to_those_who_ask() -> None:
    command = ["train", "phantom", "--count", "0", "--out", "nowhere", "--stain", "cd68"]
    plain, asked = run("", *command), run("", "--debug", *command)
    assert plain.returncode == asked.returncode == 2
    assert "Traceback" not in plain.stderr
    assert "Traceback" in asked.stderr
    for done in (plain, asked):
        assert "error: a series has 1 to 1000000 fields, got 0" in done.stderr
