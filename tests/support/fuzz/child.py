"""Runs one kind of fuzzing in a process of its own: ``python -m tests.support.fuzz.child KIND FOLDER SECONDS``.

Each example has a clock, which the kernel keeps: it ends the process even where a library in C does not come back.
Each example has a bound on memory. The last example stays in FOLDER, so a process that was ended names its file.
"""

from __future__ import annotations

import importlib
import json
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support.fuzz.kind import Kind

CLOCK_SECONDS = 20
"""What one example may take; a machine with two busy cores takes its share of it."""

MOST_BYTES = 1 << 30
"""How far one example may raise the peak of the resident memory."""

_HARD_BYTES = 6 << 30
_EXAMPLES = 20
_HOLD = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    phases=[Phase.generate],
)


def main(name: str, folder: Path, seconds: float) -> None:
    """Try rounds of examples until the time is up, at least one; print how many were taken and refused."""
    resource.setrlimit(resource.RLIMIT_DATA, (_HARD_BYTES, _HARD_BYTES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    kind = cast(Kind, importlib.import_module(f"tests.support.fuzz.{name}"))
    seen = Counter[str]()
    until = time.monotonic() + seconds
    for number in range(1_000_000):
        try:
            _round(kind, folder, number, seen)
        except Exception as error:
            error.__notes__ = []  # the example as text may have megabytes; its file stays
            raise
        if time.monotonic() > until:
            break
    print(json.dumps({"taken": seen["taken"], "refused": seen["refused"]}))


def _round(kind: Kind, folder: Path, number: int, seen: Counter[str]) -> None:
    def tried(value: Any) -> None:
        seen["taken" if _bounded(lambda: kind.holds(value, folder)) else "refused"] += 1

    seed(number)(_HOLD(given(kind.made_up())(tried)))()


def _bounded(law: Callable[[], bool]) -> bool:
    signal.setitimer(signal.ITIMER_REAL, CLOCK_SECONDS)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _peak()
    taken = law()
    assert _peak() - before < MOST_BYTES, f"it took {(_peak() - before) >> 20} MiB"
    signal.setitimer(signal.ITIMER_REAL, 0)
    return taken


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
