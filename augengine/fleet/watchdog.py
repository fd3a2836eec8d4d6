"""Who hangs: judged by the time that samples took so far, here and elsewhere; see `Watchdog` for the rule."""

from __future__ import annotations

from dataclasses import dataclass

from augengine.fleet.rules import Watchdog

_MAX_TICK_SECONDS = 10.0
"""The longest pause between two looks that counts in full.

A driver that was stopped, or whose caller was busy, heard nothing in that time, so no worker is blamed for it."""


@dataclass(slots=True)
class _Watched:
    since: float
    samples: int = 0
    is_first: bool = True
    is_busy: bool = False


class Pace:
    """The pace of a fleet. Times are seconds of one clock.

    Args:
        rule: When a worker hangs.
    """

    def __init__(self, rule: Watchdog) -> None:
        self._rule = rule
        self._watched: dict[int, _Watched] = {}
        self._longest: float | None = None
        self._longest_first: float | None = None
        self._looked: float | None = None

    def begin(self, place: int, now: float) -> None:
        """A new worker stands at a place."""
        self._watched[place] = _Watched(now)

    def end(self, place: int) -> None:
        """It is gone."""
        self._watched.pop(place, None)

    def give(self, place: int, now: float) -> None:
        """It was given a job."""
        watched = self._watched[place]
        if not watched.is_busy:
            # Only now: the time in which it had nothing to do is no sign of hanging.
            watched.is_busy, watched.since = True, now

    def hear(self, place: int, samples: int, now: float) -> None:
        """It says how many samples it has finished."""
        watched = self._watched[place]
        # Any change is progress. A failed shard takes its samples back, so the count may fall.
        if samples != watched.samples:
            watched.samples = samples
            self._advance(watched, now)

    def finish(self, place: int, now: float, *, is_busy: bool) -> None:
        """It finished a job: that is progress too. ``is_busy``: it holds another."""
        watched = self._watched[place]
        watched.since, watched.is_busy = now, is_busy

    def hanging(self, now: float) -> list[int]:
        """The places whose workers hang."""
        self._forgive(now)
        return [
            place
            for place, watched in self._watched.items()
            if watched.is_busy and now - watched.since > self.allowed(watched.is_first)
        ]

    def allowed(self, is_first: bool) -> float:
        """Seconds that may pass without a sample; ``is_first``: before a worker's first one."""
        known = self._longest_first if is_first or self._longest is None else self._longest
        if known is None:
            return max(self._rule.floor_seconds, self._rule.first_seconds)
        return max(self._rule.floor_seconds, self._rule.multiple * known)

    def _advance(self, watched: _Watched, now: float) -> None:
        took = now - watched.since
        if watched.is_first:
            self._longest_first = max(took, self._longest_first or 0.0)
        else:
            self._longest = max(took, self._longest or 0.0)
        watched.is_first, watched.since = False, now

    def _forgive(self, now: float) -> None:
        missed = 0.0 if self._looked is None else now - self._looked - _MAX_TICK_SECONDS
        self._looked = now
        if missed > 0:
            for watched in self._watched.values():
                watched.since = min(now, watched.since + missed)
