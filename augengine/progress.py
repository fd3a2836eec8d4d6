"""Who follows a run: notes, warnings, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_LOG = logging.getLogger("augengine")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """How one worker of a run is doing.

    Attributes:
        place: Its number; a worker that replaces it has the same.
        ready: Whether it has started.
        samples: Source samples done at this place, good and bad.
        bad_samples: Those dropped.
        failures: Shards that failed here, and workers that died here.
        holds: Names of the shards in its hands.
        rate: Samples a second since the run began.
        host: The machine it runs on, or ran on last; empty before it has started.
    """

    place: int
    ready: bool
    samples: int
    bad_samples: int
    failures: int
    holds: tuple[str, ...]
    rate: float
    host: str = ""

    def sentence(self) -> str:
        """Say in a line how the worker is doing."""
        where = f" on {self.host}" if self.host else ""
        text = (
            f"worker {self.place}{where}: {self.samples} samples, {self.rate:.1f}/s, {len(self.holds)} shards in hand"
        )
        text += f", {self.bad_samples} bad samples" if self.bad_samples else ""
        text += f", {self.failures} failures" if self.failures else ""
        return text if self.ready else f"{text}, starting"


class Watcher(Protocol):
    """Follows a run."""

    def note(self, text: str) -> None:
        """One line about what happens."""
        ...

    def warn(self, text: str) -> None:
        """One line that matters even in a quiet run."""
        ...

    def begin(self, total: int, already: int) -> None:
        """A run of ``total`` samples starts, of which ``already`` were done before."""
        ...

    def advance(self, samples: int) -> None:
        """``samples`` were finished since `begin`."""
        ...

    def crew(self, workers: Sequence[WorkerState]) -> None:
        """How each worker is doing, now and then."""
        ...


class LogWatcher:
    """Follows a run by the logger ``augengine``: notes as information, warnings as warnings."""

    def note(self, text: str) -> None:
        """Implement `Watcher`."""
        _LOG.info(text)

    def warn(self, text: str) -> None:
        """Implement `Watcher`."""
        _LOG.warning(text)

    def begin(self, total: int, already: int) -> None:
        """Implement `Watcher`."""
        _LOG.info("%d samples, %d of them done before", total, already)

    def advance(self, samples: int) -> None:
        """Implement `Watcher`; nothing is logged."""

    def crew(self, workers: Sequence[WorkerState]) -> None:
        """Implement `Watcher`; nothing is logged."""


def counted(number: int, noun: str) -> str:
    """A number and what it counts: ``1 shard``, ``2 shards``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def readable_bytes(number: float) -> str:
    """Bytes in the unit that suits them: ``460 kB``, ``3.2 GB``."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def readable_seconds(seconds: float) -> str:
    """A time in the unit that suits it: ``0.3 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
