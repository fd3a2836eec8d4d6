"""What is seen of a soak's processes: their memory, and the CPU time that the driver takes for a shard."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_GROWTH_MIB = 50.0
"""Most that memory may grow, in MiB: a driver's between its first and last shard, the workers' over a long run."""
MIN_MARKS = 100
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Life:
    """One driver, from its start to its end.

    Attributes:
        before: Shards committed before it.
        marks: Shards committed, CPU seconds and MiB of the driver, whenever a shard was new.
        exit: Its status; negative for a signal.
    """

    before: int
    marks: list[tuple[int, float, float]] = field(default_factory=list)
    exit: int | None = None

    def mark(self, pid: int, done: int) -> None:
        """Look at the driver, if it has committed another shard."""
        last = self.marks[-1][0] if self.marks else self.before
        if done > last and (mib := resident_mib(pid)):
            self.marks.append((done, _cpu_seconds(pid), mib))

    def cpu_ms_per_shard(self) -> float | None:
        """CPU time that the driver takes per shard, in ms, from its first shard to its last."""
        if len(self.marks) < 2 or self.marks[0][0] == self.marks[-1][0]:
            return None
        (first, cpu_before, _), (last, cpu_after, _) = self.marks[0], self.marks[-1]
        return round(1000 * (cpu_after - cpu_before) / (last - first), 2)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "shards_at_its_end": self.marks[-1][0] if self.marks else 0,
            "exit": self.exit,
            "cpu_ms_per_shard": self.cpu_ms_per_shard(),
            "growth_mib": self.growth_mib(),
        }

    def growth_mib(self) -> float | None:
        """Memory at the last shard over that after a third of them, when all is loaded; None for short lives."""
        later = self.marks[len(self.marks) // 3 :]
        return round(later[-1][2] - later[0][2], 1) if len(later) >= MIN_MARKS else None


@dataclass(slots=True)
class Seen:
    """What happened during a soak."""

    lives: list[Life] = field(default_factory=list)
    workers_killed: int = 0
    nodes_removed: int = 0
    largest_worker_mib: list[float] = field(default_factory=list)
    """Memory of the largest worker before each fault."""

    def worker_growth_mib(self) -> float | None:
        """Growth of the largest worker's memory, in MiB; None for short runs.

        The first third of the run, in which workers start, is left aside.
        """
        later = self.largest_worker_mib[len(self.largest_worker_mib) // 3 :]
        return round(max(later[-5:]) - max(later[:5]), 1) if len(later) >= 10 else None

    def grew(self) -> dict[str, bool]:
        """Sentence about memory -> whether it is true; what was too short to be measured has not grown."""
        drivers = [life.growth_mib() or 0.0 for life in self.lives]
        return {
            "the workers' memory grows": (self.worker_growth_mib() or 0.0) > MAX_GROWTH_MIB,
            "a driver's memory grows": max(drivers) > MAX_GROWTH_MIB,
        }


def resident_mib(pid: int) -> float:
    """Memory of a process; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB
    except (OSError, IndexError):
        return 0.0  # gone meanwhile


def _cpu_seconds(pid: int) -> float:
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, times)) / _TICKS
