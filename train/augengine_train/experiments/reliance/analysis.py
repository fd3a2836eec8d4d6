"""The analysis that docs/notes/reliance.md fixed before the first run: paired tests over units, and a verdict."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augengine.errors import SpecError
from augengine_train.experiments.cells import Result
from augengine_train.experiments.reliance.plan import Arm, Plan
from augengine_train.experiments.statistics import Comparison, compare, detectable_effect, holm, t_test

Measure = Callable[[Result], float]


def f1_of(test: str) -> Measure:
    """F1 by pixel on one drawing of the test tissue."""
    return lambda result: float(result[test]["pixels"]["f1"])


def reliance(result: Result) -> float:
    """R: F1 where markers crowd in glomeruli, as in the training, less F1 on the same anatomy where they do not."""
    return f1_of("crowded")(result) - f1_of("even")(result)


def position_sensitivity(result: Result) -> float:
    """P: 1 less the Dice of what is found on one anatomy under two draws of evenly spread markers."""
    return 1 - float(result["agreement"]["f1"])


def bait_precision(result: Result) -> float:
    """Precision by pixel where infiltrates are as crowded as glomeruli."""
    return float(result["bait"]["pixels"]["precision"])


MEASURES: Mapping[str, Measure] = {
    "F1, even": f1_of("even"),
    "F1, crowded": f1_of("crowded"),
    "R": reliance,
    "P": position_sensitivity,
    "F1, bait": f1_of("bait"),
    "precision, bait": bait_precision,
}
"""What the table shows of each arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All comparisons of the experiment.

    Attributes:
        primary: R of the paper's arm less R of the reconstruction.
        second: R of the paper's arm less R of the shuffle.
        others: The other planned comparisons, adjusted together with ``second`` by Holm's method.
        means: Arm -> measure -> mean and deviation over the units.
        units: How many.
    """

    primary: Comparison
    second: Comparison
    others: tuple[Comparison, ...]
    means: Mapping[Arm, Mapping[str, tuple[float, float]]]
    units: int

    def lines(self) -> list[str]:
        """The comparisons and the verdict, a line each."""
        effect, spread = detectable_effect(self.units), statistics.stdev(self.primary.differences)
        return [
            f"Primary: {_said(self.primary)}",
            f"Second: {_said(self.second)}",
            *(f"Also planned: {_said(each)}" for each in self.others),
            f"With {self.units} units the primary test finds an effect of {effect:.2f} deviations with a power of "
            f"80 %; at the deviation seen, {spread:.4f}, that is {effect * spread:.4f}.",
            *self.verdict(),
        ]

    def verdict(self) -> list[str]:
        """What follows, in words."""
        noise = {
            "loss": "With noise segmenters rely less on markers than with going there and back alone.",
            "gain": "With noise segmenters rely more on markers than with going there and back alone.",
            "not shown": "That the noise changes the reliance on markers is not shown.",
        }
        rival = {
            "loss": "It makes them rely less than shuffled markers do.",
            "gain": "Shuffled markers, which need no generators, make them rely less: take the shuffle.",
            "not shown": "No difference from shuffled markers is shown; these need no generators: take the shuffle.",
        }
        return [noise[self.primary.verdict], rival[self.second.verdict]]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "primary": self.primary.to_json(),
            "second": self.second.to_json(),
            "others": [each.to_json() for each in self.others],
            "means": {
                arm: {name: {"mean": mean, "deviation": deviation} for name, (mean, deviation) in found.items()}
                for arm, found in self.means.items()
            },
            "units": self.units,
            "verdict": self.verdict(),
        }


_DIRECTION = {"loss": "lower", "gain": "higher", "not shown": "not shown"}


def _said(each: Comparison) -> str:
    return f"{each.sentence().rpartition(':')[0]}: {_DIRECTION[each.verdict]}"


def analyse(plan: Plan, results: Sequence[Result]) -> Analysis:
    """The comparisons of a finished experiment.

    Raises:
        SpecError: Cells are missing.
    """
    by_cell = {(result["unit"], result["arm"]): result for result in results}
    if missing := [cell for cell in plan.cells() if tuple(cell.values()) not in by_cell]:
        raise SpecError(f"{len(missing)} cells were not run, the first is {dict(missing[0])}", hint="run it again")

    def values(arm: Arm, measure: Measure) -> list[float]:
        return [measure(by_cell[unit, arm]) for unit in plan.numbers]

    def between(arm: Arm, other: Arm, measure: Measure) -> tuple[float, ...]:
        return tuple(a - b for a, b in zip(values(arm, measure), values(other, measure), strict=True))

    planned = [
        ("R, paper - shuffle", between("paper", "shuffle", reliance)),
        *(
            (f"{name}, {arm} - baseline", between(arm, "baseline", MEASURES[name]))
            for name in ("F1, even", "precision, bait")
            for arm in ("paper", "shuffle", "reconstruction")
            if "baseline" in plan.arms
        ),
        ("P, paper - reconstruction", between("paper", "reconstruction", position_sensitivity)),
    ]
    adjusted = holm([t_test(differences)[0] for _, differences in planned])
    second, *others = (compare(name, each, p) for (name, each), p in zip(planned, adjusted, strict=True))
    return Analysis(
        primary=compare("R, paper - reconstruction", between("paper", "reconstruction", reliance)),
        second=second,
        others=tuple(others),
        means={arm: {name: _spread(values(arm, measure)) for name, measure in MEASURES.items()} for arm in plan.arms},
        units=plan.units,
    )


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values)
