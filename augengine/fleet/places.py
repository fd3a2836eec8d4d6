"""Places of workers in a fleet: who is replaced, who is left out, and when there is no use in going on."""

from __future__ import annotations

from collections import Counter

from augengine.errors import WorkerError
from augengine.fleet.rules import Rules


class Places:
    """Counts what happened at each place.

    Args:
        workers: How many places there are.
        rules: When a place is left empty.
    """

    def __init__(self, workers: int, rules: Rules) -> None:
        self.rules = rules
        self._limit = rules.deaths_in_row(workers)
        self._in_use = set(range(workers))
        self._deaths: Counter[int] = Counter()
        self._retired: Counter[int] = Counter()
        self._in_row = 0

    def finish(self, place: int) -> None:
        """A worker got through a job."""
        self._deaths[place] = self._in_row = 0

    def replace_dead(self, place: int, *, was_asked_for: bool, why: str) -> bool:
        """Whether a worker that died is replaced.

        Args:
            place: Where.
            was_asked_for: It died in the search for a sample that kills workers: nobody wonders.
            why: It died.

        Raises:
            WorkerError: Too many died, with nothing done in between.
        """
        if was_asked_for:
            return True
        self._deaths[place] += 1
        self._in_row += 1
        if self._in_row > self._limit:
            hint = "is the machine, or its memory, at fault? --workers 1 runs in this process and shows more"
            raise WorkerError(f"{self._in_row} workers died one after the other, the last: {why}", hint=hint)
        return self._deaths[place] < self.rules.deaths_of_place or self._is_last(place)

    def replace_bad(self, place: int) -> bool:
        """Whether a worker that fails what others can do is replaced by a new one."""
        self._retired[place] += 1
        self._deaths[place] = 0
        return self._retired[place] <= self.rules.replacements or self._is_last(place)

    def _is_last(self, place: int) -> bool:
        """Whether no other place is in use; if there is one, this one is given up."""
        if self._in_use == {place}:
            return True
        self._in_use.discard(place)
        return False
