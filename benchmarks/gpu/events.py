"""Work on the GPU timed by its own clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

Milliseconds = dict[str, list[float]]


def time_events(runs: Mapping[str, Callable[[], object]], rounds: int, *, calls: int = 10) -> Milliseconds:
    """Milliseconds of a call by CUDA events on the current stream, a value a round; the contenders take turns.

    Args:
        runs: Name -> what enqueues the work; it need not wait.
        rounds: That count, after one that does not.
        calls: Calls between two events.
    """
    found: Milliseconds = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            begin, end = _event(), _event()
            begin.record()
            for _ in range(calls):
                run()
            end.record()
            end.synchronize()
            if number:
                found[name].append(begin.elapsed_time(end) / calls)
    return found


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
