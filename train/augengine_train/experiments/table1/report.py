"""What the experiment leaves: a table, a plot and all numbers as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augengine.json_values import to_json
from augengine.storage.atomic import write_whole
from augengine_train.experiments.cells import Result
from augengine_train.experiments.plots import Points, plot_table
from augengine_train.experiments.table1.analysis import Analysis, f1, precision, recall
from augengine_train.experiments.table1.plan import Plan

NAME = "table1"


def write_report(
    plan: Plan, besides: Mapping[str, Any], results: Sequence[Result], analysis: Analysis, out: Path
) -> list[str]:
    """Write ``table1.json``, ``table1.md`` and ``table1.png`` into ``out``; returns the lines of the table.

    Args:
        plan: What was run.
        besides: What else decided its numbers: the generators' digests, the drawing's version.
        results: The results of all cells.
        analysis: The analysis of the results.
        out: Folder of the experiment.

    Raises:
        TargetError: They cannot be written.
    """
    lines = [*table(plan, results), "", *analysis.lines()]
    numbers = {
        "plan": to_json(plan),
        **besides,
        "cells": list(results),
        "analysis": analysis.to_json(),
    }
    plot_table(out / f"{NAME}.png", _panels(plan, results))
    write_whole(out / f"{NAME}.json", json.dumps(numbers, indent=1) + "\n")
    write_whole(out / f"{NAME}.md", "\n\n".join(["\n".join(table(plan, results)), *analysis.lines()]) + "\n")
    return lines


def table(plan: Plan, results: Sequence[Result]) -> list[str]:
    """F1 as mean and standard deviation over the repeats, and beside it the mean precision and recall."""
    lines = [f"| world | stain | % | {' | '.join(plan.arms)} |", "|---" * (3 + len(plan.arms)) + "|"]
    for world in plan.worlds:
        for stain in plan.stains:
            for percent in plan.fractions:
                cells = [_cell(_select(results, world, stain, percent, arm)) for arm in plan.arms]
                lines.append(f"| {world} | {stain} | {percent} | {' | '.join(cells)} |")
    return [*lines, "", f"F1 by pixel, mean ± deviation over {plan.repeats} repeats (mean precision/recall)."]


def _cell(found: Sequence[Result]) -> str:
    values = [f1(result) for result in found]
    means = (statistics.fmean(measure(result) for result in found) for measure in (precision, recall))
    both = "/".join(f"{mean:.2f}" for mean in means)
    return f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f} ({both})"


def _panels(plan: Plan, results: Sequence[Result]) -> dict[str, dict[str, Points]]:
    return {
        f"{stain}, world: {world}": {arm: _points(plan, results, world, stain, arm) for arm in plan.arms}
        for stain in plan.stains
        for world in plan.worlds
    }


def _points(plan: Plan, results: Sequence[Result], world: str, stain: str, arm: str) -> Points:
    found = [[f1(r) for r in _select(results, world, stain, percent, arm)] for percent in plan.fractions]
    return Points(plan.fractions, [statistics.fmean(v) for v in found], [statistics.stdev(v) for v in found])


def _select(results: Sequence[Result], world: str, stain: str, percent: int, arm: str) -> list[Result]:
    wanted = {"world": world, "stain": stain, "percent": percent, "arm": arm}
    return [result for result in results if all(result[name] == value for name, value in wanted.items())]
