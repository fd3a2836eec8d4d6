"""The tables of docs/notes/performance.md and the bars of docs/speed.svg, from a stored result.

Run: ``python -m benchmarks.speed.picture``. Between the two marks of each table everything is replaced.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.pages import fill
from benchmarks.speed import RESULT
from benchmarks.speed.tables import passes_table, rows_table, targets_table, trained_table

DOCS = Path(__file__).parents[2] / "docs"
STORED = "benchmarks/results/speed.json"
IN_VECTORS = "benchmarks/results/speed-avx512-bf16*.json"
"""Runs with tiles forbidden, a size each; made by hand on a processor that has tiles (docs/notes/performance.md)."""

IN_BYTES = "benchmarks/results/speed-avx512-vnni*.json"
"""Runs on a processor that multiplies bytes and no 16-bit numbers, a size or more each."""

_OURS, _LOOP = "#2a6f97", "#b0b0b0"
_SHOWN = ("whole job,", "eager", "torch.compile", "onnxruntime")


def tables(result: dict[str, Any]) -> dict[str, str]:
    """What stands in a table's mark -> the table."""
    return {
        STORED: rows_table(result),
        f"{STORED}, targets": targets_table(result),
        f"{STORED}, trained": trained_table(result),
        f"{IN_VECTORS}, targets": targets_table(_together(IN_VECTORS)),
        f"{IN_BYTES}, targets": targets_table(_together(IN_BYTES)),
        f"{IN_BYTES}, passes": passes_table(_together(IN_BYTES)),
    }


def _together(pattern: str) -> dict[str, Any]:
    """The sizes of all files that a pattern names, the small ones first."""
    files = sorted(DOCS.parent.glob(pattern))
    sizes = [size for file in files for size in json.loads(file.read_text(encoding="utf-8"))["sizes"]]
    return {"sizes": sorted(sizes, key=lambda size: (size["side"], size["variants"]))}


def bars(result: dict[str, Any], file: Path) -> None:
    """One group of bars a size: the whole job beside the loops, in images a second over the eager loop's."""
    sizes = result["sizes"]
    with mpl.rc_context({"svg.hashsalt": "augengine", "svg.fonttype": "none"}):
        figure = Figure(figsize=(3.2 * len(sizes), 2.6), layout="constrained")
        for number, size in enumerate(sizes, start=1):
            _group(figure.add_subplot(1, len(sizes), number), size)
        figure.savefig(file, metadata={"Date": None})


def _group(axes: Any, size: dict[str, Any]) -> None:
    rows = {name: row for name, row in size["rows"].items() if name.startswith(_SHOWN) and "null" not in name}
    eager = next(row["images_per_second"] for name, row in rows.items() if name.startswith("eager"))
    names = [name.rpartition(", K")[0].replace(", ", ",\n", 1) for name in rows]
    rates = [row["images_per_second"] / eager for row in rows.values()]
    drawn = axes.barh(names[::-1], rates[::-1], color=[_OURS if "whole" in name else _LOOP for name in names[::-1]])
    axes.bar_label(drawn, fmt="%.2f", padding=2, fontsize=7)
    axes.set_title(f"{size['side']} px, K = {size['variants']}, {size['precision']}", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_xlabel("images/s over those of the eager loop, medians", fontsize=7)
    axes.set_xlim(0, 1.2 * max(rates))
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.picture")
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--docs", type=Path, default=DOCS)
    chosen = parser.parse_args()
    result = json.loads(chosen.result.read_text(encoding="utf-8"))
    for name, table in tables(result).items():
        fill(chosen.docs / "notes/performance.md", name, table)
    bars(result, chosen.docs / "speed.svg")


if __name__ == "__main__":
    main()
