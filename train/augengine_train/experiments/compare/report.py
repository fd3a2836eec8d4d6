"""What a comparison leaves: a table, a plot, all numbers as JSON, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augengine.storage.atomic import write_whole
from augengine_train.experiments.cells import Result
from augengine_train.experiments.compare.analysis import Analysis
from augengine_train.experiments.compare.plan import AMOUNTS
from augengine_train.experiments.plots import plot_amounts

NAME = "compare"


def write_report(plan: Mapping[str, Any], results: Sequence[Result], analysis: Analysis, out: Path) -> list[str]:
    """Write ``compare.json``, ``compare.md`` and ``compare.png`` into ``out``; returns the lines to print.

    Raises:
        TargetError: They cannot be written.
    """
    lines = [*table(analysis), "", *analysis.lines()]
    numbers = {"plan": dict(plan), "cells": list(results), "analysis": analysis.to_json()}
    plot_amounts(out / f"{NAME}.png", sorted(AMOUNTS), _curves(analysis))
    write_whole(out / f"{NAME}.json", json.dumps(numbers, indent=1) + "\n")
    write_whole(out / f"{NAME}.md", "\n\n".join(["\n".join(table(analysis)), *analysis.lines()]) + "\n")
    return lines


def table(analysis: Analysis) -> list[str]:
    """A row per arm: F1, precision and recall by pixel and by object, F1 under other amounts of chromogen, and R."""
    amounts = [amount for amount in AMOUNTS if amount != 1]
    headings = ["F1", "precision", "recall", "F1 by object", "precision", "recall"]
    headings += [f"F1 at {amount:g} x" for amount in amounts]
    lines = [f"| arm | {' | '.join(headings)} | R |", "|---" * (len(headings) + 2) + "|"]
    for arm, found in analysis.pooled.items():
        whole = found[1.0]
        values = [value for c in (whole.pixels, whole.objects) for value in (c.f1, c.precision, c.recall)]
        values += [found[amount].pixels.f1 for amount in amounts]
        shown = " | ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {arm} | {shown} | {whole.pixels.f1 - found[0.0].pixels.f1:+.3f} |")
    return [*lines, "", _LEGEND]


_LEGEND = (
    "Counts summed over all test patients. At 0 x the markers are taken out, at 0.5 x and 1.5 x their chromogen is "
    "scaled. R is F1 less F1 at 0 x."
)


def _curves(analysis: Analysis) -> dict[str, list[float]]:
    return {arm: [found[amount].pixels.f1 for amount in sorted(AMOUNTS)] for arm, found in analysis.pooled.items()}
