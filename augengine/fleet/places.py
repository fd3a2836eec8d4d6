"""The places of a fleet's workers: which are filled again, which stay empty, and when the run must end."""

from __future__ import annotations

from collections import Counter

from augengine.errors import WorkerError
from augengine.fleet.ledger import Loss
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
        self._outdone: set[int] = set()
        """Places where workers died, and a job was finished at another place since the first of these deaths."""
        self._retired: Counter[int] = Counter()
        self._in_row = 0

    def finish(self, place: int) -> None:
        """A worker got through a job."""
        self._in_row = 0
        self._outdone |= self._in_use - {place}
        self._outdone.discard(place)
        self._deaths[place] = 0

    def replace_dead(self, place: int, loss: Loss, why: str) -> bool:
        """Whether a worker that died is replaced.

        Args:
            place: The place where it worked.
            loss: What it held.
            why: Why it died, for the message.

        Raises:
            WorkerError: Too many died, with nothing done in between.
        """
        # Suspects are expected to kill. A job that is given up counts once: on a broken machine all jobs end so.
        self._in_row += (not loss.was_suspect) + len(loss.over)
        if self._in_row > self._limit:
            hint = "is the machine, or its memory, at fault? --workers 1 runs in this process and shows more"
            raise WorkerError(f"workers die one after the other, the last: {why}", hint=hint)
        # Deaths in a search are the samples' doing: they must not cost a good place its worker.
        if not loss.was_search:
            self._count(place)
        is_bad = self._deaths[place] >= self.rules.deaths_of_place and place in self._outdone
        return not is_bad or self._is_last(place)

    def _count(self, place: int) -> None:
        if not self._deaths[place]:
            # Only what others finish from now on shows that the place is at fault, and not the jobs.
            self._outdone.discard(place)
        self._deaths[place] += 1

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
