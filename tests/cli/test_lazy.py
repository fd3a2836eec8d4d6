"""Completion in a shell: names are known without importing a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from augengine.cli.main import main

pytestmark = pytest.mark.e2e


def test_a_shell_completes_names_without_importing_a_command() -> None:
    found = [item.value for item in main.shell_complete(click.Context(main), "p")]
    assert found == ["probe", "preview"]
    assert "--debug" in [item.value for item in main.shell_complete(click.Context(main), "--d")]


def test_a_shell_completes_after_json() -> None:
    told = os.environ | {"_AUGENGINE_COMPLETE": "bash_complete", "COMP_WORDS": "augengine status --json --w"}
    command = [str(Path(sys.executable).with_name("augengine"))]
    done = subprocess.run(command, env=told | {"COMP_CWORD": "3"}, capture_output=True, text=True, check=False)
    assert "--watch" in done.stdout
