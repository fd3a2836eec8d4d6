"""Calling `augengine import`, by the library and by the command, and what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from augengine.cli.main import main
from augengine.digests import bytes_digest
from augengine.importing import Imported, ImportRequest, import_checkpoint
from augengine.weights.cards import Direction


def bring_in(checkpoint: Path, root: Path, direction: Direction = "to-reference", **options: Any) -> Imported:
    values = {"stain": "cd68", "mpp": 0.5, "weights": root, **options}
    return import_checkpoint(ImportRequest(checkpoint=checkpoint, direction=direction, **values))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def call_import(checkpoint: Path, root: Path, direction: Direction, *more: object) -> Result:
    return call("import", checkpoint, "--stain", "cd68", "--direction", direction, "--weights", root, *more)


def files_below(root: Path) -> dict[str, str]:
    """The digest of every file, by its path."""
    return {str(file.relative_to(root)): bytes_digest(file.read_bytes()) for file in root.rglob("*") if file.is_file()}


def refused(result: Result, *words: str) -> None:
    """It left with 2 and said why in a line, and what to do next in another."""
    error, hint = result.stderr.splitlines()[-2:]
    assert result.exit_code == 2
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert all(word in error for word in words), error
    assert result.stdout == ""
