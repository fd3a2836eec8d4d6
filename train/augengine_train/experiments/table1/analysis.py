"""The analysis that docs/notes/table1.md fixed before the first run: paired tests over units, and a verdict."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from augengine.errors import SpecError
from augengine_train.experiments.cells import Result
from augengine_train.experiments.statistics import Comparison, compare, detectable_effect, holm, t_test
from augengine_train.experiments.table1.plan import Arm, Plan, World

_MECHANISM = ("reconstruction", "input-noise")
"""Controls that an arm must beat, besides the baseline, for its gain to come from markers that moved."""

Measure = Callable[[Result], float]


def f1(result: Result) -> float:
    """F1 by pixel, counts summed over the test set."""
    return float(result["pixels"]["f1"])


def precision(result: Result) -> float:
    """Precision by pixel, likewise."""
    return float(result["pixels"]["precision"])


def recall(result: Result) -> float:
    """Recall by pixel, likewise."""
    return float(result["pixels"]["recall"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All comparisons of the experiment.

    Attributes:
        primary: The paper's arm against the baseline, where markers mislead.
        secondary: Against each control there, against the baseline in the other world, and between the worlds.
        described: Precision and recall of the primary comparison: described, not judged.
        afterwards: What was asked once the result was known: described, not judged.
        detectable: Standardised effect that the primary test finds with a power of 80 %.
    """

    primary: Comparison
    secondary: tuple[Comparison, ...]
    described: tuple[Comparison, ...]
    afterwards: tuple[Comparison, ...]
    detectable: float

    def lines(self) -> list[str]:
        """The verdict in words."""
        spread = statistics.stdev(self.primary.differences)
        return [
            f"Primary: {self.primary.sentence()}",
            *(f"Secondary: {each.sentence()}" for each in self.secondary),
            *(f"Described: {each.sentence().rpartition(':')[0]}" for each in self.described),
            *(f"Afterwards: {each.sentence().rpartition(':')[0]}" for each in self.afterwards),
            f"With {len(self.primary.differences)} units the test finds an effect of {self.detectable:.2f} deviations "
            f"with a power of 80 %; at the deviation seen, {spread:.4f}, that is {self.detectable * spread:.4f} in F1.",
            _conclusion(self.primary, self.secondary),
        ]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "primary": self.primary.to_json(),
            "secondary": [each.to_json() for each in self.secondary],
            "described": [each.to_json() for each in self.described],
            "afterwards": [each.to_json() for each in self.afterwards],
            "detectable_effect_in_deviations": self.detectable,
            "conclusion": _conclusion(self.primary, self.secondary),
        }


def _conclusion(primary: Comparison, secondary: Sequence[Comparison]) -> str:
    if primary.verdict == "loss":
        return "The augmentation lowers F1 where markers mislead."
    if primary.verdict == "not shown":
        return "No gain is shown where markers mislead; the interval says what is not ruled out."
    verdicts = {each.name.partition(",")[0]: each.verdict for each in secondary}
    short = [name for name in _MECHANISM if verdicts.get(f"paper - {name}") != "gain"]
    moved = (
        "by moving markers"
        if not short
        else f"whether by moving markers is not shown (no gain over {', '.join(short)})"
    )
    return f"The augmentation raises F1 where markers mislead, {moved}."


def analyse(plan: Plan, results: Sequence[Result]) -> Analysis:
    """The comparisons of a finished experiment.

    Raises:
        SpecError: Cells are missing.
    """
    table = _Table(plan, results)
    gain = {world: table.differences("paper", "baseline", world, f1) for world in plan.worlds}
    main: World = plan.worlds[0]
    raw = [(f"paper - {arm}, {main}", table.differences("paper", arm, main, f1))
           for arm in plan.arms if arm not in ("paper", "baseline")]  # fmt: skip
    for world in plan.worlds[1:]:
        raw.append((f"paper - baseline, {world}", gain[world]))
        between = tuple(a - b for a, b in zip(gain[main], gain[world], strict=True))
        raw.append((f"gain in {main} - gain in {world}", between))
    adjusted = holm([t_test(values)[0] for _, values in raw])
    others = [
        (name, table.differences("paper", "baseline", main, measure))
        for name, measure in (("precision", precision), ("recall", recall))
    ]
    return Analysis(
        primary=compare(f"paper - baseline, {main}", gain[main]),
        secondary=tuple(compare(name, values, p) for (name, values), p in zip(raw, adjusted, strict=True)),
        described=tuple(compare(f"{name}, paper - baseline, {main}", values) for name, values in others),
        afterwards=_afterwards(plan, table),
        detectable=detectable_effect(len(gain[main])),
    )


def _afterwards(plan: Plan, table: _Table) -> tuple[Comparison, ...]:
    """What the plan did not ask: there and back against nothing, the other world's precision, whole objects."""
    main: World = plan.worlds[0]
    asked: list[tuple[str, Arm, World, Measure]] = []
    if "reconstruction" in plan.arms:
        asked.append(("", "reconstruction", main, f1))
    by_pixel = (("precision", precision), ("recall", recall))
    by_object = ((name, _by_object(name)) for name in ("f1", "precision", "recall"))
    asked += [(f"{name}, ", "paper", world, each) for world in plan.worlds[1:] for name, each in by_pixel]
    asked += [(f"{name} by object, ", "paper", world, each) for name, each in by_object for world in plan.worlds]
    return tuple(
        compare(f"{what}{arm} - baseline, {world}", table.differences(arm, "baseline", world, measure))
        for what, arm, world, measure in asked
    )


def _by_object(name: str) -> Measure:
    """F1, precision or recall by object, counts summed over the test set."""
    return lambda result: float(result["objects"][name])


class _Table:
    def __init__(self, plan: Plan, results: Sequence[Result]) -> None:
        self._plan = plan
        axes = ("world", "stain", "percent", "arm", "repeat")
        self._by_cell = {tuple(result[axis] for axis in axes): result for result in results}
        missing = [cell for cell in plan.cells() if tuple(cell.values()) not in self._by_cell]
        if missing:
            raise SpecError(f"{len(missing)} cells were not run, the first is {dict(missing[0])}", hint="run it again")

    def differences(self, arm: Arm, other: Arm, world: World, measure: Measure) -> tuple[float, ...]:
        """One a unit, in a fixed order."""
        units = itertools.product(self._plan.stains, range(self._plan.repeats))
        return tuple(
            statistics.fmean(
                measure(self._by_cell[world, stain, percent, arm, repeat])
                - measure(self._by_cell[world, stain, percent, other, repeat])
                for percent in self._plan.fractions
            )
            for stain, repeat in units
        )
