"""What every worker did, in a line each: where it runs, samples, rate, failures, deaths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnNote = Callable[[str], None]
"""Told in a line what happens."""

_EVERY_SECONDS = 60.0


@dataclass(slots=True)
class _Row:
    began: float
    host: str = "?"
    samples: int = 0
    failed: int = 0
    deaths: int = 0


class View:
    """The workers of a run, by their places. Times are seconds of one clock.

    Args:
        on_note: Told a line a worker, every minute and at the end.
        now: The time at which the run begins.
    """

    def __init__(self, on_note: OnNote, now: float) -> None:
        self._on_note = on_note
        self._rows: dict[int, _Row] = {}
        self._told = now

    def enter(self, place: int, host: str, now: float) -> None:
        """A worker is ready there."""
        self._rows.setdefault(place, _Row(now)).host = host

    def finish(self, place: int, samples: int, *, failed: bool) -> None:
        """It got through a job."""
        row = self._rows[place]
        row.samples += 0 if failed else samples
        row.failed += failed

    def lose(self, place: int) -> None:
        """It died, or was ended."""
        if place in self._rows:
            self._rows[place].deaths += 1

    def tell(self, now: float, *, last: bool = False) -> None:
        """Tell of all, if it is time."""
        if last or now - self._told >= _EVERY_SECONDS:
            self._told = now
            for place, row in sorted(self._rows.items()):
                self._on_note(_line(place, row, now))


def _line(place: int, row: _Row, now: float) -> str:
    text = f"worker {place} on {row.host}: {row.samples} samples, {row.samples / max(now - row.began, 1e-3):.1f}/s"
    text += f", {row.failed} failed tries" if row.failed else ""
    return text + (f", died {row.deaths} times" if row.deaths else "")
