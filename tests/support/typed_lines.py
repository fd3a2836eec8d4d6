"""Type the command lines of a page, in order, as a reader would."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from click.testing import CliRunner

from augengine.cli.main import main
from tests.support.places import ROOT


def type_lines(lines: Iterable[str], folder: Path, *, toys: Mapping[str, str] | None = None) -> None:
    """Run ``augengine ...`` and ``python -m ...`` lines in a folder, with a home of their own; each has to succeed.

    Args:
        lines: The lines as a page shows them.
        folder: Where they are typed.
        toys: What a line begins with -> options typed after its own, of which the last counts: for toy sizes.
    """
    environment = os.environ | {"AUGENGINE_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    for line in lines:
        added = [toy for start, toy in (toys or {}).items() if line.startswith(start)]
        words = shlex.split(" ".join([line, *added]))
        command = [sys.executable, *words[1:]] if words[0] == "python" else [sys.executable, "-m", *words]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode in _fine(line), f"{line}\n{done.stdout}{done.stderr}"


def type_in_process(lines: Iterable[str], toys: Mapping[str, str]) -> None:
    """The same for ``augengine ...`` lines in this process and the current folder, which saves the starts."""
    for line in lines:
        added = [toy for start, toy in toys.items() if line.startswith(start)]
        words = shlex.split(" ".join([line, *added]))
        assert words[0] == "augengine", line
        done = CliRunner().invoke(main, words[1:])
        assert done.exit_code in _fine(line), f"{line}\n{done.output}"


def _fine(line: str) -> tuple[int, ...]:
    """The exit statuses that are no failure; a probe leaves with 1 where its verdict is not good."""
    return (0, 1) if line.startswith("augengine probe") else (0,)
