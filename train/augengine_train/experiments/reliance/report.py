"""What the experiment leaves: a table, and all numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augengine.storage.atomic import write_whole
from augengine_train.experiments.cells import Result
from augengine_train.experiments.reliance.analysis import MEASURES, Analysis

NAME = "reliance"


def write_report(plan: Mapping[str, Any], results: Sequence[Result], analysis: Analysis, out: Path) -> list[str]:
    """Write ``reliance.json`` and ``reliance.md`` into ``out``; returns the lines to print.

    Raises:
        TargetError: They cannot be written.
    """
    numbers = {"plan": dict(plan), "cells": list(results), "analysis": analysis.to_json()}
    write_whole(out / f"{NAME}.json", json.dumps(numbers, indent=1) + "\n")
    write_whole(out / f"{NAME}.md", "\n\n".join(["\n".join(table(analysis)), *analysis.lines()]) + "\n")
    return [*table(analysis), "", *analysis.lines()]


def table(analysis: Analysis) -> list[str]:
    """A row per arm: mean and deviation over the units of each measure."""
    lines = [f"| arm | {' | '.join(MEASURES)} |", "|---" * (len(MEASURES) + 1) + "|"]
    for arm, found in analysis.means.items():
        cells = (f"{found[name][0]:.3f} ± {found[name][1]:.3f}" for name in MEASURES)
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return lines
