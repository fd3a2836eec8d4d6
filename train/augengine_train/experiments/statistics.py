"""Paired comparisons over the units of an experiment: intervals, p, Holm's adjustment and power."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

ALPHA = 0.05
MIN_GAIN = 0.01
"""A smaller mean gain in F1 is called none, whatever its p."""

POWER = 0.8
_MAX_EXACT_PAIRS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A paired comparison over units, which an experiment names in its plan.

    Attributes:
        name: What is compared, in words.
        differences: One a unit.
        p: p-value of the two-sided paired t-test.
        p_adjusted: By Holm's method among the secondary comparisons; of the primary one, p itself.
        p_permutation: p-value of the exact two-sided sign-flip test, which makes fewer assumptions.
        low, high: 95 % confidence interval of the mean.
    """

    name: str
    differences: tuple[float, ...]
    p: float
    p_adjusted: float
    p_permutation: float
    low: float
    high: float

    @property
    def mean(self) -> float:
        """Mean difference."""
        return statistics.fmean(self.differences)

    @property
    def verdict(self) -> str:
        """``gain``, ``loss`` or ``not shown``, by `ALPHA` and `MIN_GAIN`."""
        if self.p_adjusted < ALPHA and abs(self.mean) >= MIN_GAIN:
            return "gain" if self.mean > 0 else "loss"
        return "not shown"

    def sentence(self) -> str:
        """Say in a line what was compared, the difference and the verdict."""
        return (
            f"{self.name}: {self.mean:+.4f} (95 % {self.low:+.4f} ... {self.high:+.4f}, {len(self.differences)} units, "
            f"p {self.p_adjusted:.3g}, sign flips {self.p_permutation:.3g}): {self.verdict}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"mean": self.mean, "verdict": self.verdict, "units": len(self.differences)}


def compare(name: str, differences: Sequence[float], p_adjusted: float | None = None) -> Comparison:
    """The comparison of two or more units' differences; ``p_adjusted`` is p itself where it is left out."""
    p, low, high = t_test(differences)
    return Comparison(
        name=name,
        differences=tuple(differences),
        p=p,
        p_adjusted=p if p_adjusted is None else p_adjusted,
        p_permutation=sign_flip_p(differences),
        low=low,
        high=high,
    )


def t_test(differences: Sequence[float]) -> tuple[float, float, float]:
    """p of the two-sided paired t-test, and the 95 % interval of the mean."""
    mean, n = statistics.fmean(differences), len(differences)
    error = statistics.stdev(differences) / math.sqrt(n)
    if error == 0:  # all units equal: no spread to test against
        return (1.0 if mean == 0 else 2.0 ** (1 - n)), mean, mean  # as the sign-flip test has it
    p = 2 * float(stats.t.sf(abs(mean) / error, n - 1))
    half = float(stats.t.ppf(1 - ALPHA / 2, n - 1)) * error
    return p, mean - half, mean + half


def sign_flip_p(differences: Sequence[float]) -> float:
    """p of the two-sided sign-flip test: how many of the 2^n choices of signs give a mean as far from 0.

    Exact up to 16 units, else over 65536 random choices, the observed one counted in.
    """
    values = np.abs(np.array(differences))
    n = len(values)
    if n <= _MAX_EXACT_PAIRS:
        signs = 1 - 2 * (np.arange(1 << n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.Generator(np.random.Philox(key=n)).choice([-1, 1], (1 << _MAX_EXACT_PAIRS, n))
    observed = abs(sum(differences))
    as_far = int((np.abs(signs @ values) >= observed - 1e-12).sum())
    return as_far / len(signs) if n <= _MAX_EXACT_PAIRS else (as_far + 1) / (len(signs) + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979)."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = largest
    return adjusted


def power_of(units: int, effect: float, alpha: float = ALPHA) -> float:
    """Power of the two-sided paired t-test at ``alpha`` for a mean of ``effect`` deviations."""
    critical, shift = float(stats.t.ppf(1 - alpha / 2, units - 1)), effect * math.sqrt(units)
    return float(stats.nct.sf(critical, units - 1, shift) + stats.nct.cdf(-critical, units - 1, shift))


def detectable_effect(units: int, alpha: float = ALPHA) -> float:
    """The effect, in deviations, that is found with a power of 80 %."""
    low, high = 0.0, 100.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if power_of(units, middle, alpha) < POWER else (low, middle)
    return high
