"""Contenders that take turns, so that what else the machine does meets all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

Seconds = dict[str, list[float]]
"""Contender -> seconds of its call, a value a round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Something to time.

    Attributes:
        name: Name of its row.
        run: One call, complete when it returns.
        images: Source images a call.
        gflop: Arithmetic of the generators a call, 10^9 operations; 0 if none run.
        flops_peak: Which peak it is held against, as ``float32``; empty for none.
        repeat: Does what that many calls do, where it need not pause between them; None calls one by one.
    """

    name: str
    run: Callable[[], object]
    images: int
    gflop: float = 0.0
    flops_peak: str = ""
    repeat: Callable[[int], object] | None = None


def repeated(contender: Contender, times: int) -> Contender:
    """A contender whose call does what that many calls of another do."""
    many = contender.repeat or partial(_one_by_one, contender.run)
    return replace(contender, run=partial(many, times), images=contender.images * times, gflop=contender.gflop * times)


def _one_by_one(run: Callable[[], object], times: int) -> None:
    for _ in range(times):
        run()


def interleave(contenders: Sequence[Contender], rounds: int) -> Seconds:
    """Time each contender once a round, after one round that does not count."""
    seconds: Seconds = {each.name: [] for each in contenders}
    for number in range(rounds + 1):
        for each in contenders:
            began = time.perf_counter()
            each.run()
            if number:
                seconds[each.name].append(time.perf_counter() - began)
    return seconds


def first_call(contender: Contender) -> float:
    """Seconds of a contender's first call, which compiles or loads what later calls find ready."""
    began = time.perf_counter()
    contender.run()
    return round(time.perf_counter() - began, 2)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile; of a single value three times that."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def row(contender: Contender, seconds: Sequence[float], peaks: dict[str, float]) -> dict[str, Any]:
    """What is written of a contender.

    Args:
        contender: The contender.
        seconds: Duration of each of its rounds.
        peaks: Precision -> GFLOP/s of this machine's matrix product, measured in the same run.
    """
    rates = [contender.images / value for value in seconds]
    low, middle, high = quartiles(rates)
    found: dict[str, Any] = {"images_per_second": _round(middle), "quartiles": [_round(low), _round(high)]}
    if contender.gflop:
        gflops = contender.gflop / statistics.median(seconds)
        found["gflop_per_second"] = round(gflops, 1)
        if contender.flops_peak in peaks:
            found["share_of_peak"] = round(gflops / peaks[contender.flops_peak], 3)
    return found


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times faster ``ours`` is: the median of the rounds' own ratios of seconds."""
    return round(statistics.median(their / own for own, their in zip(ours, theirs, strict=True)), 3)
