"""Tables of docs/, written by the benchmarks that made their numbers."""

from __future__ import annotations

import re
from pathlib import Path

END = "<!-- end -->"


def begin(result: str) -> str:
    """The mark above the table of a stored result, as ``benchmarks/results/speed.json``."""
    return f"<!-- table of {result} -->"


def fill(page: Path, result: str, table: str) -> None:
    """Replace everything between the two marks of a result's table."""
    text = page.read_text(encoding="utf-8")
    between = re.compile(f"{re.escape(begin(result))}.*?{re.escape(END)}", re.DOTALL)
    page.write_text(between.sub(lambda _: f"{begin(result)}\n{table}\n{END}", text), encoding="utf-8")
