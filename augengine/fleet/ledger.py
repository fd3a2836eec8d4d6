"""What every job still needs: where it is tried next, whether a death is charged to it, and when it is over.

If a worker dies with two jobs in hand, neither is charged: both become suspects, and a suspect runs alone. A job that
kills its worker alone is charged. After some such deaths its samples are searched (`search.py`). The sample that is
found is excluded, and the job runs again without it. Nothing here knows Ray: `pool.py` tells what happened.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from augengine.fleet.base import HELD_JOBS, OnQuarantine
from augengine.fleet.rules import Rules
from augengine.fleet.search import Found, Search, Verdict
from augengine.fleet.standing import Standing
from augengine.jobs import Job, Report


class Death(StrEnum):
    """How a worker ended, as the reason of a sample's quarantine."""

    DIED = "it kills the worker: the process dies of it"
    HUNG = "it kills the worker: no progress, until the watchdog ended it"
    NO_MEMORY = "it kills the worker: out of memory (fewer --workers or --variants, or smaller images)"


@dataclass(frozen=True, slots=True)
class Trial:
    """A job as it is given to a worker.

    Attributes:
        job: The job, with the samples that are excluded by now.
        alone: Whether the worker is given nothing else meanwhile.
        publishes: Whether the shard is published. That of a search is dropped: only the worker's survival matters.
    """

    job: Job
    alone: bool
    publishes: bool


@dataclass(frozen=True, slots=True)
class Loss:
    """What a worker held when it died.

    Attributes:
        over: The reports of jobs that are given up because of this death.
        was_suspect: Whether it held a single job that was a suspect already.
        was_search: Whether it held some samples of a job whose samples are searched.
    """

    over: list[Report]
    was_suspect: bool = False
    was_search: bool = False


@dataclass(slots=True)
class _Case:
    """A job that is not over."""

    job: Job
    failed_at: list[int] = field(default_factory=list)
    died_at: Counter[int] = field(default_factory=Counter)
    is_suspect: bool = False
    deaths: int = 0
    last_death: Death = Death.DIED
    quarantined: int = 0
    rounds: int = 0
    search: Search | None = None

    def harm(self, place: int) -> tuple[int, int]:
        return self.failed_at.count(place), self.died_at[place]

    def trial(self) -> Trial:
        if self.search is not None:
            # Samples are missing from it: such a shard must never be published.
            return Trial(self.search.trial, alone=True, publishes=False)
        return Trial(self.job, alone=self.is_suspect, publishes=True)


class Ledger:
    """The jobs of a run and the places of its workers.

    Args:
        jobs: What to make; their outputs differ.
        rules: When a job is given up.
        on_quarantine: Told of every sample that is excluded.
    """

    def __init__(self, jobs: Sequence[Job], rules: Rules, on_quarantine: OnQuarantine) -> None:
        self._rules = rules
        self._on_quarantine = on_quarantine
        self._waiting = deque(_Case(job) for job in jobs)
        self._held: dict[int, list[_Case]] = {}
        self._places: set[int] = set()
        self._standing = Standing(rules.failures_in_row)
        self.samples_done = 0
        """Samples of the jobs that are over, good and bad."""

    @property
    def is_open(self) -> bool:
        """Whether a job is not over."""
        return bool(self._waiting) or any(self._held.values())

    def expect(self, place: int) -> None:
        """A worker is being started at a place: what failed elsewhere waits for it."""
        self._places.add(place)

    def expect_no_more(self, place: int) -> None:
        """It takes too long: nothing waits for it any more."""
        self._places.discard(place)

    def enter(self, place: int) -> None:
        """A worker is ready at a place."""
        self._places.add(place)
        self._held[place] = []

    def load(self, place: int) -> int:
        """How many jobs its worker holds."""
        return len(self._held[place])

    def trials(self, place: int) -> list[Trial]:
        """What its worker holds."""
        return [case.trial() for case in self._held.get(place, [])]

    def next_for(self, place: int) -> Trial | None:
        """What a worker is to do beside what it holds, or None for nothing now."""
        held = self._held[place]
        # A suspect gets no company: only if its worker held nothing else does a death tell who caused it.
        is_full = len(held) >= HELD_JOBS or any(case.is_suspect for case in held)
        if is_full or self._standing.is_held_back(place, self._places):
            return None
        case = self._choose(place)
        if case is None:
            return None
        self._waiting.remove(case)
        held.append(case)
        return case.trial()

    def finish(self, place: int, trial: Trial, report: Report) -> list[Report]:
        """A worker got through a trial; the reports of jobs that are over by that."""
        case = next(case for case in self._held[place] if case.job.output == trial.job.output)
        self._held[place].remove(case)
        if report.error:
            return self._failed(case, place, report)
        if trial.publishes:
            self._standing.succeed(place, case.job.output)
            return self._over(case, report)
        assert case.search is not None
        case.died_at.clear()
        return self._judge(case, case.search.survived())

    def lose(self, place: int, death: Death) -> Loss:
        """A worker died, or was given up for dead."""
        self._places.discard(place)
        held = self._held.pop(place, [])
        if len(held) == 1:
            (case,) = held
            # Read first, because `_charge` changes both.
            was_suspect, search = case.is_suspect, case.search
            was_search = search is not None and not search.is_control
            return Loss(self._charge(case, place, death), was_suspect, was_search)
        # With two in hand nobody knows which one killed. Back to the head of the queue, in their old order.
        for case in reversed(held):
            case.is_suspect = True
            self._waiting.appendleft(case)
        return Loss([])

    def bad_places(self) -> list[int]:
        """Places whose workers fail jobs that others can do."""
        return [place for place in self._held if self._standing.is_bad(place)]

    def retire(self, place: int) -> None:
        """A bad worker is sent away: its failures no longer count, and other workers get its jobs."""
        self._places.discard(place)
        for case in reversed(self._held.pop(place)):
            self._waiting.appendleft(case)
        # Else a good job could use up its tries on bad workers: a simulated fleet with three of them showed it.
        for case in self._cases():
            case.failed_at = [each for each in case.failed_at if each != place]
        self._standing.forget(place)

    def _cases(self) -> list[_Case]:
        return [*self._waiting, *(case for held in self._held.values() for case in held)]

    def _choose(self, place: int) -> _Case | None:
        """The first waiting job that this place may have.

        A suspect needs a worker that holds nothing else. If only busy workers may have it, they get no other job
        either: so one of them runs empty, and the suspect does not wait until the end of the run.
        """
        for case in self._waiting:
            if not self._may_have(place, case):
                continue
            if not case.is_suspect or not self._held[place]:
                return case
            if not any(self._is_free(other) and self._may_have(other, case) for other in self._held):
                return None
        return None

    def _is_free(self, place: int) -> bool:
        return not self._held[place] and not self._standing.is_held_back(place, self._places)

    def _may_have(self, place: int, case: _Case) -> bool:
        """Whether no other place has seen less harm from this job: so its next try is made where it failed least.

        Failures count first, deaths decide between equals. Places where a worker is still starting count too.
        """
        return case.harm(place) == min(case.harm(other) for other in self._places)

    def _failed(self, case: _Case, place: int, report: Report) -> list[Report]:
        self._standing.fail(place, case.job.output)
        case.failed_at.append(place)
        if len(case.failed_at) >= self._rules.tries:
            return self._over(case, report)
        return self._again(case)

    def _charge(self, case: _Case, place: int, death: Death) -> list[Report]:
        case.is_suspect, case.last_death = True, death
        # Samples on trial are expected to kill. Only a death without them speaks against the place.
        if case.search is None or case.search.is_control:
            case.died_at[place] += 1
        if case.search is not None:
            return self._judge(case, case.search.died())
        case.deaths += 1
        if case.deaths >= self._rules.tries:
            case.search = Search(case.job, self._rules.confirmations)
        return self._again(case)

    def _judge(self, case: _Case, verdict: Verdict) -> list[Report]:
        if verdict is None:
            return self._again(case)
        case.search = None
        if isinstance(verdict, Found):
            return self._quarantine(case, verdict.ordinal)
        case.rounds += 1
        # After a death without any sample the job is as suspect as before, so its next death starts the next search.
        case.deaths = self._rules.tries - 1 if verdict.is_control else 0
        if case.rounds < self._rules.rounds:
            return self._again(case)
        hint = "out of memory? fewer --workers or --variants, or smaller images"
        return self._over(case, _failure(case, f"its worker {verdict.reason} ({hint})"))

    def _quarantine(self, case: _Case, ordinal: int) -> list[Report]:
        if case.quarantined == self._rules.quarantined:
            reason = f"more than {case.quarantined} of its samples kill the worker (is the machine at fault?)"
            return self._over(case, _failure(case, reason))
        reason = str(case.last_death)
        case.job = replace(case.job, excluded={**case.job.excluded, ordinal: reason})
        case.quarantined += 1
        case.deaths = self._rules.tries - 1  # a second such sample is searched at the next death
        self._on_quarantine(case.job, ordinal, reason)
        return self._again(case)

    def _again(self, case: _Case) -> list[Report]:
        """Put a job back at the head of the queue: workers may be held back until it has been tried elsewhere."""
        self._waiting.appendleft(case)
        return []

    def _over(self, case: _Case, report: Report) -> list[Report]:
        self._standing.give_up(case.job.output)
        self.samples_done += report.samples_in
        return [report]


def _failure(case: _Case, reason: str) -> Report:
    return Report(output=case.job.output, error=reason)
