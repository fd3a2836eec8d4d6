"""A fleet without processes: workers that die of samples, fail, or are killed by chance; the ledger is the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from augengine.fleet.ledger import Death, Ledger, Trial
from augengine.fleet.places import Places
from augengine.fleet.rules import Rules
from augengine.jobs import Job, Report
from augengine.sample import Failure

_MAX_STEPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is wrong.

    Attributes:
        poison: Output -> ordinals that kill their worker.
        broken_jobs: Outputs that fail at every worker.
        broken_places: Places whose workers fail every job.
        deadly_places: Places whose workers die of any job.
        kills: How many workers are killed by chance.
    """

    poison: Mapping[str, frozenset[int]] = field(default_factory=dict)
    broken_jobs: frozenset[str] = frozenset()
    broken_places: frozenset[int] = frozenset()
    deadly_places: frozenset[int] = frozenset()
    kills: int = 0


def jobs_of(counts: Sequence[int]) -> list[Job]:
    """Jobs of so many samples, over one source."""
    firsts = [sum(counts[:i]) for i in range(len(counts))]
    return [
        Job(index=i, source="s", first=first, count=count, size=0, digest="", output=f"cd68-{i:06d}")
        for i, (first, count) in enumerate(zip(firsts, counts, strict=True))
    ]


class Fleet:
    """Runs jobs until all are over.

    Args:
        jobs: What to make.
        workers: How many.
        faults: What is wrong.
        seed: Decides who is next.
        rules: Rules of the ledger.
    """

    def __init__(
        self, jobs: Sequence[Job], workers: int, faults: Faults, seed: int, rules: Rules | None = None
    ) -> None:
        rules = rules or Rules()
        self._faults = faults
        self._random = Random(seed)  # noqa: S311 - no secret
        self._kills = faults.kills
        self.quarantined: list[tuple[str, int]] = []
        self.deaths = 0
        self.given: list[tuple[int, Trial]] = []
        self._ledger = Ledger(jobs, rules, lambda job, ordinal, _: self.quarantined.append((job.output, ordinal)))
        self._places = Places(workers, rules)
        self.held: dict[int, list[Trial]] = {}
        self._starting: set[int] = set()
        for place in range(workers):
            self._start(place)

    def run(self) -> list[Report]:
        """The reports, in the order in which jobs were over."""
        reports: list[Report] = []
        for _ in range(_MAX_STEPS):
            if not self._ledger.is_open:
                return reports
            self._welcome()
            self._fill()
            reports += self._step()
        raise AssertionError("the fleet does not come to an end")

    def _start(self, place: int) -> None:
        self._ledger.expect(place)
        self._starting.add(place)

    def _welcome(self) -> None:
        for place in sorted(self._starting):
            if self._random.random() < 0.3:
                self._starting.remove(place)
                self._ledger.enter(place)
                self.held[place] = []

    def _fill(self) -> None:
        for _ in range(2):
            for place, held in self.held.items():
                if trial := self._ledger.next_for(place):
                    held.append(trial)
                    self.given.append((place, trial))
                    assert len(held) == 1 or not any(each.alone for each in held), "a suspect runs alone"

    def _step(self) -> list[Report]:
        busy = [place for place, held in self.held.items() if held]
        assert busy or self._starting, "jobs wait, and nobody gets one"
        if not busy:
            return []
        place = self._random.choice(busy)
        if self._kills and self._random.random() < 0.3:
            self._kills -= 1
            return self._die(place)
        trial = self._random.choice(self.held[place])
        if place in self._faults.deadly_places or self._is_deadly(trial):
            return self._die(place)
        self.held[place].remove(trial)
        return self._finish(place, trial)

    def _is_deadly(self, trial: Trial) -> bool:
        return any(o not in trial.job.excluded for o in self._faults.poison.get(trial.job.output, ()))

    def _finish(self, place: int, trial: Trial) -> list[Report]:
        report = self._report(place, trial.job)
        if not report.error:
            self._places.finish(place)
        over = self._ledger.finish(place, trial, report)
        for bad in self._ledger.bad_places():
            self._ledger.retire(bad)
            del self.held[bad]
            if self._places.replace_bad(bad):
                self._start(bad)
        return over

    def _report(self, place: int, job: Job) -> Report:
        if place in self._faults.broken_places or job.output in self._faults.broken_jobs:
            return Report(output=job.output, error="broken")
        failures = tuple(Failure(str(ordinal), reason) for ordinal, reason in sorted(job.excluded.items()))
        return Report(output=job.output, samples_in=job.count, samples_out=job.count - len(failures), failures=failures)

    def _die(self, place: int) -> list[Report]:
        self.deaths += 1
        del self.held[place]
        loss = self._ledger.lose(place, Death.DIED)
        if self._places.replace_dead(place, loss, "killed"):
            self._start(place)
        return loss.over
