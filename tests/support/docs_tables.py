"""Reading the tables of docs/, and writing numbers as they do."""

from __future__ import annotations

import re
from typing import Any

from benchmarks.pages import END, begin
from tests.support.places import ROOT

DOCS = ROOT / "docs"
Found = dict[str, Any]


def two(*values: float) -> list[str]:
    return [f"{value:.2f}" for value in values]


def numbers(cell: str) -> list[str]:
    return re.findall(r"-?\d+(?:\.\d+)?(?: \d{3})?", cell.replace("*", ""))


def row(page: str, start: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def table_of(page: str, result: str) -> str:
    """The table between the marks of a stored result."""
    return page.partition(begin(result))[2].partition(END)[0]
