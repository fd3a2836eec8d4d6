"""Tells a worker that fails what others can do from a job that fails everywhere, by trying jobs elsewhere."""

from __future__ import annotations

from collections.abc import Collection


class Standing:
    """Failures of jobs by place, and what became of the same jobs at other places.

    A worker that has failed several jobs in a row, none of which has failed elsewhere, is held back until another
    has tried them: it would fail the whole plan in the time that others need for one shard. If another makes one
    of them, the worker is bad; if they fail there too, the jobs are.

    Args:
        in_row: How many failures in a row hold a worker back.
    """

    def __init__(self, in_row: int) -> None:
        self._in_row = in_row
        self._streaks: dict[int, list[str]] = {}
        self._failed_at: dict[str, set[int]] = {}
        self._made: set[str] = set()

    def succeed(self, place: int, output: str) -> None:
        """A worker made a job's shard."""
        self._streaks.pop(place, None)
        # Only jobs that failed before say anything of a worker: the others need not be remembered.
        if output in self._failed_at:
            self._made.add(output)

    def fail(self, place: int, output: str) -> None:
        """A worker reported that the shard cannot be made."""
        streak = self._streaks.setdefault(place, [])
        # A job that fails twice at a place is one failure: the streak counts jobs.
        if output not in streak:
            streak.append(output)
        self._failed_at.setdefault(output, set()).add(place)

    def give_up(self, output: str) -> None:
        """Nobody tries the job any more. Unless another worker made it, it speaks against no worker."""
        if output not in self._made:
            self._failed_at.pop(output, None)
        for streak in self._streaks.values():
            if output in streak and output not in self._made:
                streak.remove(output)

    def forget(self, place: int) -> None:
        """Another worker stands at the place."""
        self._streaks.pop(place, None)
        for places in self._failed_at.values():
            places.discard(place)

    def is_bad(self, place: int) -> bool:
        """Whether a worker failed several jobs in a row, and others made one of them."""
        streak = self._streaks.get(place, [])
        return len(streak) >= self._in_row and not self._made.isdisjoint(streak)

    def is_held_back(self, place: int, places: Collection[int]) -> bool:
        """Whether it gets nothing for now."""
        # If all are doubtful nobody is left to try for them: held back, they would wait for each other for ever.
        return self._is_doubtful(place) and not all(self._is_doubtful(each) for each in places)

    def _is_doubtful(self, place: int) -> bool:
        here_only = [output for output in self._streaks.get(place, []) if len(self._failed_at[output]) == 1]
        return len(here_only) >= self._in_row
