"""What the cells of a comparison say: F1 and reliance of each arm, paired tests over patients, and a verdict."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from augengine.errors import SourceError, SpecError
from augengine_train.experiments.arm_shards import OF_GENERATORS
from augengine_train.experiments.cells import Result
from augengine_train.experiments.compare.plan import AMOUNTS, Arm, Comparing
from augengine_train.experiments.statistics import (
    ALPHA,
    Comparison,
    compare,
    detectable_effect,
    holm,
    t_test,
)
from augengine_train.unet.measures import Measures

MIN_UNITS = 3
"""Patients that show something to find; with fewer nothing is tested."""

FINDS = 0.5
"""F1 that a segmenter must reach for it to be said that it does not rely on the markers: R is never above F1."""

RELIES = 0.05
"""F1 that a segmenter must lose without the markers, on the average, for it to be said to rely on them."""

_LEANS = {"gain": "it relies more", "loss": "it relies less", "not shown": "not shown"}

Value = Callable[["PatientArm"], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientArm:
    """What an arm's segmenters find of one patient, counts summed over the repeats, by the amount of chromogen."""

    by_amount: dict[float, Measures]

    @property
    def f1(self) -> float:
        """F1 by pixel on the tiles as they are."""
        return self.by_amount[1.0].pixels.f1

    @property
    def reliance(self) -> float:
        """R: F1 by pixel on the tiles less that on the same tiles with their markers taken out."""
        return self.f1 - self.by_amount[0.0].pixels.f1


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All comparisons of a finished run.

    Attributes:
        pooled: Arm -> amount of chromogen -> what is found of all patients together.
        f1: Each arm against the baseline, by F1, adjusted together by Holm's method.
        reliance: The same by reliance: below 0 the arm relies less on the markers.
        mechanism: The paper's arm against the reconstruction and the shuffle, by F1 and by reliance; described.
        baseline_reliance: The baseline's reliance against none.
        units: Patients that were compared.
        left_out: Patients whose tiles show nothing to find; they count in the pooled numbers alone.
    """

    pooled: dict[Arm, dict[float, Measures]]
    f1: tuple[Comparison, ...]
    reliance: tuple[Comparison, ...]
    mechanism: tuple[Comparison, ...]
    baseline_reliance: Comparison
    units: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def detectable(self) -> float:
        """The effect, in deviations, that is surely found with a power of 80 %: at the first step of Holm's method."""
        return detectable_effect(len(self.units), alpha=ALPHA / len(self.f1))

    def lines(self) -> list[str]:
        """The comparisons and the verdict, a line each."""
        said = [f"F1: {each.sentence()}" for each in self.f1]
        said += [f"Reliance: {each.sentence().rpartition(':')[0]}: {_LEANS[each.verdict]}" for each in self.reliance]
        said += [f"Described: {each.sentence().rpartition(':')[0]}" for each in self.mechanism]
        return [*said, self._power(), *self.verdict()]

    def _power(self) -> str:
        spread = max(statistics.stdev(each.differences) for each in self.f1)
        effect = f"an effect of {self.detectable:.2f} deviations with a power of 80 %"
        seen = f"at the largest deviation seen, {spread:.4f}, that is {self.detectable * spread:.4f} in F1"
        caution = "Folds share training patients, so the intervals are somewhat too narrow."
        return f"With {len(self.units)} patients the tests find {effect}; {seen}. {caution}"

    def verdict(self) -> list[str]:
        """What follows, in words."""
        return [self._on_reliance(), *self._on_colour(), self._on_help(), *self._on_leaning()]

    def _on_colour(self) -> list[str]:
        """A caution where more chromogen costs the baseline F1 as less of it does: then R is not of markers alone."""
        f1 = {amount: found.pixels.f1 for amount, found in self.pooled["baseline"].items()}
        lost, reliance = f1[1.0] - f1[1.5], f1[1.0] - f1[0.0]
        if lost < RELIES or lost < reliance / 4:
            return []
        said = f"With one and a half times their chromogen F1 falls too, by {lost:.2f}"
        return [f"{said}: part of R is the unusual colour rather than the missing markers."]

    def _on_leaning(self) -> list[str]:
        less = [each.name.partition(" ")[0] for each in self.reliance if each.verdict == "loss"]
        if not less:
            return []
        where = "that may help on patients whose markers lie elsewhere, which these tiles cannot show"
        return [f"These arms rely less on the markers than the baseline: {', '.join(less)}; {where}."]

    def _on_reliance(self) -> str:
        seen = self.baseline_reliance
        interval = f"{seen.mean:+.2f} (95 % {seen.low:+.2f} ... {seen.high:+.2f})"
        if seen.low > 0 and seen.mean >= RELIES:
            return f"A segmenter trained on the tiles alone relies on the markers: without them F1 falls by {interval}."
        if self.pooled["baseline"][1.0].pixels.f1 < FINDS:
            return "Whether it relies on the markers cannot be said: trained on the tiles alone it finds too little."
        if seen.high < RELIES:
            return f"A segmenter trained on the tiles alone does not rely on the markers: R is {interval}."
        return f"Whether a segmenter trained on the tiles alone relies on the markers is not shown: R is {interval}."

    def _on_help(self) -> str:
        gains = [each.name.partition(" ")[0] for each in self.f1 if each.verdict == "gain"]
        losses = [each.name.partition(" ")[0] for each in self.f1 if each.verdict == "loss"]
        harm = f" These lower it: {', '.join(losses)}." if losses else ""
        if not gains:
            return f"No arm is shown to raise F1 on these patients.{harm} Take none of them for its F1's sake."
        means = {each.name.partition(" ")[0]: each.mean for each in self.f1}
        best, free = max(gains, key=means.__getitem__), [arm for arm in gains if arm not in OF_GENERATORS]
        advice = f"{best} raises it most: take it"
        if best in OF_GENERATORS and free:
            simple = max(free, key=means.__getitem__)
            if not self._beats(best, simple):
                advice = f"{simple} is among them and needs no generators: take it"
        return f"These arms raise F1 on these patients: {', '.join(gains)}; {advice}.{harm}"

    def _beats(self, arm: str, other: str) -> bool:
        """Whether an arm raises F1 over another, patient by patient; both were compared with the baseline."""
        gains = {each.name.partition(" ")[0]: each.differences for each in self.f1}
        between = [one - two for one, two in zip(gains[arm], gains[other], strict=True)]
        return compare(f"{arm} - {other}", between).verdict == "gain"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "patients": list(self.units),
            "patients_without_foreground": list(self.left_out),
            "pooled": {
                arm: {f"{amount:g}": found.to_json() for amount, found in by_amount.items()}
                for arm, by_amount in self.pooled.items()
            },
            "f1": [each.to_json() for each in self.f1],
            "reliance": [each.to_json() for each in self.reliance],
            "mechanism": [each.to_json() for each in self.mechanism],
            "baseline_reliance": self.baseline_reliance.to_json(),
            "detectable_effect_in_deviations": self.detectable,
            "verdict": self.verdict(),
        }


def analyse(wanted: Comparing, results: Sequence[Result]) -> Analysis:
    """The comparisons of a finished run.

    Raises:
        SpecError: Cells are missing.
        SourceError: Too few patients show anything to find.
    """
    table = _table(wanted, results)
    everyone = sorted(next(iter(table.values())))
    units = [name for name in everyone if _shows_anything(table["baseline"][name])]
    if len(units) < MIN_UNITS:
        hint = "name tiles of more patients, or other --classes"
        raise SourceError(f"{len(units)} patients show something to find, {MIN_UNITS} are needed", hint=hint)
    others = [arm for arm in wanted.arms if arm != "baseline"]
    rivals: list[Arm] = [arm for arm in ("reconstruction", "shuffle") if arm in others]

    def differences(arm: Arm, other: Arm, value: Value) -> tuple[float, ...]:
        return tuple(value(table[arm][name]) - value(table[other][name]) for name in units)

    values: tuple[tuple[str, Value], ...] = (("F1", _f1), ("reliance", _reliance))
    return Analysis(
        pooled={arm: _pool(table[arm].values()) for arm in wanted.arms},
        f1=_adjusted([(f"{arm} - baseline", differences(arm, "baseline", _f1)) for arm in others]),
        reliance=_adjusted([(f"{arm} - baseline", differences(arm, "baseline", _reliance)) for arm in others]),
        mechanism=tuple(
            compare(f"paper - {rival}, {name}", differences("paper", rival, value))
            for name, value in values
            for rival in (rivals if "paper" in others else [])
        ),
        baseline_reliance=compare("baseline", [table["baseline"][name].reliance for name in units]),
        units=tuple(units),
        left_out=tuple(name for name in everyone if name not in units),
    )


def _f1(found: PatientArm) -> float:
    return found.f1


def _reliance(found: PatientArm) -> float:
    return found.reliance


def _adjusted(named: Sequence[tuple[str, tuple[float, ...]]]) -> tuple[Comparison, ...]:
    adjusted = holm([t_test(values)[0] for _, values in named])
    return tuple(compare(name, values, p) for (name, values), p in zip(named, adjusted, strict=True))


def _table(wanted: Comparing, results: Sequence[Result]) -> dict[Arm, dict[str, PatientArm]]:
    """Arm -> patient -> what its segmenters find."""
    done = {tuple(result[axis] for axis in ("repeat", "fold", "arm")) for result in results}
    if missing := [cell for cell in wanted.cells() if tuple(cell.values()) not in done]:
        raise SpecError(f"{len(missing)} cells were not run, the first is {dict(missing[0])}", hint="run it again")
    found: dict[Arm, dict[str, dict[float, Measures]]] = {arm: {} for arm in wanted.arms}
    for result in results:
        for patient, by_amount in result["patients"].items():
            own = found[result["arm"]].setdefault(patient, dict.fromkeys(AMOUNTS, Measures()))
            for amount in AMOUNTS:
                own[amount] += Measures.from_json(by_amount[f"{amount:g}"])
    return {arm: {name: PatientArm(by_amount=own) for name, own in patients.items()} for arm, patients in found.items()}


def _shows_anything(found: PatientArm) -> bool:
    pixels = found.by_amount[1.0].pixels
    return pixels.true_positives + pixels.false_negatives > 0


def _pool(patients: Iterable[PatientArm]) -> dict[float, Measures]:
    everyone = list(patients)
    return {amount: sum((each.by_amount[amount] for each in everyone), start=Measures()) for amount in AMOUNTS}
