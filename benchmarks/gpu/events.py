"""Work on the GPU timed by its own clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from benchmarks.gpu.part import Device

Milliseconds = dict[str, list[float]]


def time_calls(runs: Mapping[str, Callable[[], object]], rounds: int, *, device: Device, calls: int) -> Milliseconds:
    """Milliseconds of a call, a value a round; the contenders take turns.

    On a GPU by CUDA events on the current stream, so that a call need not wait; on a CPU by the clock.

    Args:
        runs: Name -> what enqueues the work.
        rounds: That count, after one that does not.
        device: Where the work runs.
        calls: Calls between two readings.
    """
    found: Milliseconds = {name: [] for name in runs}
    clock = _by_events if device == "cuda" else _by_clock
    for number in range(rounds + 1):
        for name, run in runs.items():
            milliseconds = clock(run, calls)
            if number:
                found[name].append(milliseconds / calls)
    return found


def _by_events(run: Callable[[], object], calls: int) -> float:
    begin, end = _event(), _event()
    begin.record()
    for _ in range(calls):
        run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def _by_clock(run: Callable[[], object], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - began) * 1000


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
