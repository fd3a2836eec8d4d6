"""The analysis of Table 1 against known answers: paired tests, their power, the verdict in words."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from augengine.errors import SpecError
from augengine.json_values import to_json
from augengine_train.experiments.cells import Cell, Result
from augengine_train.experiments.statistics import detectable_effect, holm, power_of, sign_flip_p
from augengine_train.experiments.table1.analysis import analyse
from augengine_train.experiments.table1.plan import Plan, scaled
from augengine_train.experiments.table1.report import table
from augengine_train.experiments.table1.reread import main
from augengine_train.experiments.table1.run import seed_of


def results(plan: Plan, gain: Any) -> list[Result]:
    """Cells with F1 0.5, plus what ``gain(cell, unit)`` says; a unit is a stain's repeat."""
    units = {unit: number for number, unit in enumerate(itertools.product(plan.stains, range(plan.repeats)))}
    return [_result(cell, 0.5 + gain(cell, units[cell["stain"], cell["repeat"]])) for cell in plan.cells()]


def _result(cell: Cell, f1: float) -> Result:
    return {**cell, "pixels": {"f1": f1, "precision": f1, "recall": 0.5},
            "objects": {"f1": f1 / 2, "precision": 0.5, "recall": f1}}  # fmt: skip


WOBBLE = (0.011, -0.004, 0.007, -0.009, 0.002, -0.007)


def paper_gains(cell: Cell, unit: int) -> float:
    return 0.05 + WOBBLE[unit] if (cell["arm"], cell["world"]) == ("paper", "shift") else 0.0


def test_a_gain_in_every_unit_is_shown_and_said() -> None:
    plan = scaled()
    found = analyse(plan, results(plan, paper_gains))
    assert found.primary.differences == pytest.approx([0.05 + wobble for wobble in WOBBLE])
    assert found.primary.p == pytest.approx(float(stats.ttest_1samp(found.primary.differences, 0).pvalue))
    assert found.primary.verdict == "gain"
    assert found.lines()[-1] == "The augmentation raises F1 where markers mislead, by moving markers."
    names_ = [each.name for each in found.secondary]
    assert names_ == [
        "paper - reconstruction, shift",
        "paper - input-noise, shift",
        "paper - stain-jitter, shift",
        "paper - baseline, same",
        "gain in shift - gain in same",
    ]
    assert [each.verdict for each in found.secondary] == ["gain", "gain", "gain", "not shown", "gain"]
    assert found.described[1].mean == 0
    assert all(each.p_adjusted >= each.p for each in found.secondary)


def test_a_gain_that_the_reconstruction_has_too_is_not_laid_to_markers_that_moved() -> None:
    plan = scaled()

    def gains(cell: Cell, unit: int) -> float:
        alike = {**cell, "arm": "paper"} if cell["arm"] == "reconstruction" else cell
        return paper_gains(alike, unit)

    found = analyse(plan, results(plan, gains))
    assert found.primary.verdict == "gain"
    assert found.lines()[-1].endswith("is not shown (no gain over reconstruction).")


def test_units_are_compared_with_themselves() -> None:
    """Their F1 lies far apart, and the gain is one: a difference between two units would drown it."""
    plan = scaled()
    found = analyse(plan, results(plan, lambda cell, unit: 0.07 * unit + paper_gains(cell, unit)))
    assert found.primary.differences == pytest.approx([0.05 + wobble for wobble in WOBBLE])
    assert found.primary.verdict == "gain"


def test_arms_worlds_and_fractions_of_a_repeat_share_their_seed_and_repeats_and_stains_none() -> None:
    plan = scaled()
    seeds = {(cell["stain"], cell["repeat"]): {seed_of(plan, c) for c in plan.cells() if _unit(c) == _unit(cell)}
             for cell in plan.cells()}  # fmt: skip
    assert all(len(found) == 1 for found in seeds.values())
    assert len(set().union(*seeds.values())) == len(seeds) == 6


def _unit(cell: Cell) -> tuple[Any, Any]:
    return cell["stain"], cell["repeat"]


def test_chance_is_called_chance_and_a_loss_a_loss() -> None:
    plan = scaled()
    chance = analyse(plan, results(plan, lambda cell, unit: WOBBLE[unit] * (cell["arm"] == "paper")))
    assert chance.primary.verdict == "not shown"
    assert "No gain is shown" in chance.lines()[-1]
    loss = analyse(plan, results(plan, lambda cell, unit: -paper_gains(cell, unit)))
    assert (loss.primary.verdict, loss.lines()[-1]) == ("loss", "The augmentation lowers F1 where markers mislead.")
    tiny = analyse(plan, results(plan, lambda cell, unit: 0.1 * paper_gains(cell, unit)))
    assert tiny.primary.p < 0.05
    assert tiny.primary.verdict == "not shown"  # under the least gain of interest


def test_an_unfinished_experiment_has_no_verdict() -> None:
    plan = scaled()
    with pytest.raises(SpecError, match="1 cells were not run"):
        analyse(plan, results(plan, paper_gains)[1:])


def test_sign_flips_and_holm_give_the_answers_worked_out_by_hand() -> None:
    assert sign_flip_p([1, 2, 3]) == 2 / 8
    assert sign_flip_p([1, 2, -3]) == 1.0
    assert sign_flip_p([1] * 6) == 2 / 64
    assert sign_flip_p([1.0] * 20) < 1e-4
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]


@pytest.mark.parametrize(("units", "effect"), [(6, 1.0), (20, 0.5)])
def test_the_power_is_that_of_simulated_experiments(units: int, effect: float) -> None:
    rng = np.random.default_rng(0)
    p = stats.ttest_1samp(rng.normal(effect, 1, (20000, units)), 0, axis=1).pvalue
    assert power_of(units, effect) == pytest.approx(float((p < 0.05).mean()), abs=0.015)
    assert power_of(units, detectable_effect(units)) == pytest.approx(0.8, abs=0.002)


def test_the_table_has_a_row_a_fraction_with_mean_and_deviation() -> None:
    plan = scaled()
    lines = table(plan, results(plan, paper_gains))
    assert len([line for line in lines if line.startswith("| shift | cd68 |")]) == 4
    values = np.array([0.55 + wobble for wobble in WOBBLE[:3]])
    assert f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" in lines[2]
    assert math.isclose(values.mean(), 0.5547, abs_tol=1e-3)


def test_what_was_asked_afterwards_is_described_and_not_judged() -> None:
    plan = scaled()
    analysis = analyse(plan, results(plan, paper_gains))
    means = {each.name: each.mean for each in analysis.afterwards}
    assert means["reconstruction - baseline, shift"] == pytest.approx(0, abs=0.02)
    assert means["recall by object, paper - baseline, shift"] == pytest.approx(analysis.primary.mean)
    assert means["f1 by object, paper - baseline, shift"] == pytest.approx(analysis.primary.mean / 2)
    lines = [line for line in analysis.lines() if line.startswith("Afterwards: ")]
    assert len(lines) == len(means) == 9
    assert not any(line.endswith(("gain", "loss", "not shown")) for line in lines)


def test_stored_cells_are_analysed_without_a_run(tmp_path: Path) -> None:
    plan = scaled()
    file = tmp_path / "table1.json"
    file.write_text(json.dumps({"plan": to_json(plan), "cells": results(plan, paper_gains), "analysis": {}}))
    done = CliRunner().invoke(main, [str(file), "--write"])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == analyse(plan, results(plan, paper_gains)).lines()
    assert json.loads(file.read_text())["analysis"]["primary"]["verdict"] == "gain"
