"""What each place of a fleet has done so far, over all the workers that stood there one after the other."""

from __future__ import annotations

import time
from collections import Counter

from augengine.jobs import Report
from augengine.progress import WorkerState


class Roster:
    """Counts for each place. Make it when the run begins, since rates count from then."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._samples: Counter[int] = Counter()
        self._bad_samples: Counter[int] = Counter()
        self._failures: Counter[int] = Counter()
        self._hosts: dict[int, str] = {}

    def enter(self, place: int, host: str) -> None:
        """A worker has started there, on that machine."""
        self._hosts[place] = host

    def finish(self, place: int, report: Report) -> None:
        """A worker got through a job."""
        self._failures[place] += bool(report.error)
        self._bad_samples[place] += len(report.failures)

    def leave(self, place: int, samples: int) -> None:
        """A worker died or was sent away, after so many samples."""
        self._failures[place] += 1
        # The worker that replaces it counts from 0, and the place's count must not fall.
        self._samples[place] += samples

    def state(self, place: int, samples: int, *, ready: bool, holds: tuple[str, ...]) -> WorkerState:
        """How a place is doing.

        Args:
            place: The number of the place.
            samples: How many samples its present worker has done.
            ready: Whether that worker has started.
            holds: Names of the shards that it holds.
        """
        done = self._samples[place] + samples
        return WorkerState(
            place=place,
            ready=ready,
            samples=done,
            bad_samples=self._bad_samples[place],
            failures=self._failures[place],
            holds=holds,
            rate=done / max(time.monotonic() - self._began, 1e-3),
            host=self._hosts.get(place, ""),
        )
