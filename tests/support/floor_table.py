"""The floor table of docs/notes/architecture.md, by ``python -m tests.support.floor_table`` from pyproject."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.support.places import ROOT

PACKAGE = ROOT / "augengine"
PAGE = ROOT / "docs" / "notes/architecture.md"
BEGIN, END = "<!-- floors -->\n", "<!-- end -->"


def floors() -> list[list[str]]:
    """The rooms and files of each floor, from the top, as the linter holds them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each.get("containers") == ["augengine"])
    return [layer.split(" | ") for layer in layers]


def table() -> str:
    """A row per room or file: its floor, its name, and what its docstring says first."""
    lines = ["| floor | where | what lives there |", "|---|---|---|"]
    for number, names in enumerate(reversed(floors()), start=1):
        lines += reversed([f"| {number} | `{_path(name)}` | {_purpose(name)} |" for name in reversed(names)])
    return "\n".join([*lines[:2], *reversed(lines[2:])]) + "\n"


def page(text: str) -> str:
    """The page with the table as it is now."""
    return re.sub(rf"{BEGIN}.*?{END}", lambda _: BEGIN + table() + END, text, flags=re.DOTALL)


def _path(name: str) -> str:
    return f"{name}/" if (PACKAGE / name).is_dir() else f"{name}.py"


def _purpose(name: str) -> str:
    file = PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"
    return (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()[0].replace("|", "\\|")


def imports_of(file: Path) -> Iterator[str]:
    """Every module, and every name of a module, that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
