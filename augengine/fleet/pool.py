"""Runs jobs on Ray actors, one chain each.

Ray carries jobs and reports only: images stay in the worker that reads them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import Any

from augengine.errors import TargetError, WorkerError
from augengine.fleet.actor import Arrival, Member
from augengine.fleet.base import (
    HELD_JOBS,
    POLL_SECONDS,
    OnCrew,
    OnProgress,
    OnQuarantine,
    Outfit,
    StartWorker,
    WorkerSpec,
)
from augengine.fleet.cluster import first_line, join
from augengine.fleet.fitting import fitting
from augengine.fleet.hiring import Hiring, OnWarning
from augengine.fleet.ledger import Death, Ledger, Trial
from augengine.fleet.places import Places
from augengine.fleet.roster import Roster
from augengine.fleet.rules import Rules
from augengine.fleet.watchdog import Pace
from augengine.jobs import Job, Report, failure_reason
from augengine.progress import WorkerState

_START_SECONDS = 120.0
_CLOSE_SECONDS = 10.0
_RULES = Rules()
_LOOKED_AT = 64
"""How many of the sources each node is asked for."""


def run_ray(
    jobs: Sequence[Job],
    worker: WorkerSpec,
    start: StartWorker,
    *,
    workers: int | None,
    address: str | None = None,
    on_progress: OnProgress = lambda _: None,
    on_quarantine: OnQuarantine = lambda *_: None,
    on_crew: OnCrew = lambda _: None,
    rules: Rules = _RULES,
    outfit: Outfit | None = None,
    on_warning: OnWarning = lambda _: None,
) -> Generator[Report, None, None]:
    """Run jobs on Ray actors; see `Executor`. If a job crashes its worker, another worker goes on.

    Args:
        jobs, worker, start, workers, address, on_progress, on_quarantine, on_crew: The arguments of `Executor`.
        rules: What is done about faults.
        outfit: What each node of a joined cluster must have.
        on_warning: Told of nodes that joined after the run began and are not fit for it.

    Raises:
        SpecError: The nodes of a joined cluster differ in what decides bytes.
        TargetError, WorkerError: For the reasons that `Executor` names.
    """
    ledger = Ledger(jobs, rules, on_quarantine)
    samples = sum(job.count for job in jobs)
    with join(address, workers, worker) as cluster:
        # A Ray of our own has one node, this machine: there is nothing to ask it.
        fitted = fitting(cluster.ray, worker, _sources(jobs), outfit) if address is not None else nullcontext()
        with fitted as first, _pool(Hiring(cluster, worker, start, first, on_warning), ledger, rules) as pool:
            while ledger.is_open:
                yield from pool.step()
                on_crew(pool.crew())
                # What a failed shard had counted is taken back when its worker answers next: the sum may overshoot.
                on_progress(min(samples, pool.samples_done()))


def _sources(jobs: Sequence[Job]) -> list[str]:
    """About `_LOOKED_AT` of the jobs' sources: enough to notice a file system that is not shared."""
    sources = [*dict.fromkeys(job.source for job in jobs)]
    return [*sources[:: -(-len(sources) // _LOOKED_AT) or 1], *sources[-1:]]


@contextmanager
def _pool(hiring: Hiring, ledger: Ledger, rules: Rules) -> Iterator[_Pool]:
    # The starts stand inside `closing`: if one fails, the actors before it are ended too.
    with closing(_Pool(hiring, ledger, Places(hiring.cluster.workers, rules))) as pool:
        for place in range(hiring.cluster.workers):
            pool.start(place)
        yield pool


class _Pool:
    """The actors at their places, and the trials that they hold. It tells the ledger what happened; the ledger decides.

    If Ray reports an error of an actor itself, not of one of its tasks, the actor is ended and never used again. One
    that is merely unavailable may stay so for ever, and the jobs that it is given are lost.
    """

    def __init__(self, hiring: Hiring, ledger: Ledger, places: Places) -> None:
        self._ray = hiring.cluster.ray
        self._hiring = hiring
        self._ledger = ledger
        self._pace = Pace(places.rules.watchdog)
        self._places = places
        self._roster = Roster()
        self._members: dict[int, Member] = {}
        self._held: dict[Any, tuple[Member, Trial]] = {}

    def start(self, place: int) -> None:
        """Start an actor; it is given jobs once it has answered."""
        # Told now, so that a job that failed elsewhere waits for this worker instead of going back to where it failed.
        self._ledger.expect(place)
        self._members[place] = self._hiring.hire(place)

    def step(self) -> Iterator[Report]:
        """Hand out jobs, wait a moment, and yield the reports of jobs that are over for good."""
        self._fill()
        answers = {member.asked: member for member in self._members.values()}
        # A ready worker answers at once. If its answer were awaited too, this loop would spin and never rest.
        starting = [reference for reference, member in answers.items() if not member.ready]
        if awaited := [*self._held, *starting]:
            self._ray.wait(awaited, num_returns=1, timeout=POLL_SECONDS)
        yield from self._collect_all()
        yield from self._hear(answers)
        yield from self._end_hanging()
        self._send_bad_away()
        self._check_started()

    def _fill(self) -> None:
        """Give every worker its first job before any gets a second: no worker idles while another has two."""
        ready = [member for member in self._members.values() if member.ready]
        for load in range(HELD_JOBS):
            for member in ready:
                if self._ledger.load(member.place) == load and (trial := self._ledger.next_for(member.place)):
                    self._pace.give(member.place, time.monotonic())
                    self._held[member.actor.make.remote(trial.job, trial.publishes)] = (member, trial)

    def _collect_all(self) -> Iterator[Report]:
        done, _ = self._ready([*self._held])
        for reference in done:
            if reference in self._held:  # not lost with its actor meanwhile
                yield from self._collect(reference)

    def _collect(self, reference: Any) -> Iterator[Report]:
        member, trial = self._held[reference]
        try:
            report: Report = self._ray.get(reference)
        # Caught first, since it is a RayError too: here the job failed, and its worker is well.
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, TargetError):
                raise error.as_instanceof_cause() from error
            report = Report(output=trial.job.output, error=failure_reason(error.cause))
        except self._ray.exceptions.RayError as error:  # dead, out of memory, its node gone, unreachable ...
            yield from self._bury(member, error)
            return
        del self._held[reference]
        yield from self._finish(member, trial, report)

    def _finish(self, member: Member, trial: Trial, report: Report) -> Iterator[Report]:
        # A failed job says nothing good of its place, so it does not clear the deaths counted there.
        if not report.error:
            self._places.finish(member.place)
        member.samples_told += report.samples_in
        self._roster.finish(member.place, report)
        over = self._ledger.finish(member.place, trial, report)
        self._pace.finish(member.place, time.monotonic(), is_busy=self._ledger.load(member.place) > 0)
        # Last, since the caller may end the run at a report: all accounts are settled by then.
        yield from over

    def _hear(self, answers: dict[Any, Member]) -> Iterator[Report]:
        done, _ = self._ready([*answers])
        for reference in done:
            member = answers[reference]
            if self._members.get(member.place) is not member:
                continue  # buried meanwhile
            try:
                member.samples_done = self._ray.get(reference)
                if not self._welcome(member):
                    continue
            except self._ray.exceptions.RayError as error:
                yield from self._bury(member, error)
                continue
            self._pace.hear(member.place, member.samples_done, time.monotonic())
            member.asked = member.actor.samples_done.remote()

    def _ready(self, references: list[Any]) -> tuple[list[Any], list[Any]]:
        if not references:
            return [], []
        done, waiting = self._ray.wait(references, num_returns=len(references), timeout=0)
        return done, waiting

    def _welcome(self, member: Member) -> bool:
        """Whether an actor that has answered may work here; if not, another one is started elsewhere."""
        if member.ready:
            return True
        # Asked before the question that it has answered, so this does not wait.
        arrival: Arrival = self._ray.get(member.arrival)
        if not self._hiring.is_fit(arrival):
            # Dropped, not buried: an unfit node is no death, and the worker had no job yet.
            self._drop(member)
            self.start(member.place)
            return False
        self._roster.enter(member.place, arrival.host)
        self._ledger.enter(member.place)
        self._pace.begin(member.place, time.monotonic())
        member.ready = True
        return True

    def _end_hanging(self) -> Iterator[Report]:
        for place in self._pace.hanging(time.monotonic()):
            error = WorkerError("it made no progress, and was ended by the watchdog")
            yield from self._bury(self._members[place], error, Death.HUNG)

    def _bury(self, member: Member, error: Exception, death: Death | None = None) -> Iterator[Report]:
        """End an actor that died or is as good as dead, and replace it."""
        place = member.place
        death = death or self._death(error)
        # Its process is ended whatever was wrong: one that hangs or lost its connection may wake up and go on.
        self._drop(member)
        loss = self._ledger.lose(place, death)
        # The reports come first: the next line ends the run if too many workers died.
        yield from loss.over
        if self._places.replace_dead(place, loss, first_line(error)):
            self.start(place)

    def _death(self, error: Exception) -> Death:
        return Death.NO_MEMORY if isinstance(error, self._ray.exceptions.OutOfMemoryError) else Death.DIED

    def _drop(self, member: Member) -> None:
        self._held = {reference: each for reference, each in self._held.items() if each[0] is not member}
        del self._members[member.place]
        self._roster.leave(member.place, member.samples_done)
        self._pace.end(member.place)
        self._kill(member)

    def _send_bad_away(self) -> None:
        for place in self._ledger.bad_places():
            self._drop(self._members[place])
            self._ledger.retire(place)
            if self._places.replace_bad(place):
                self.start(place)

    def _check_started(self) -> None:
        """No job waits for ever for a worker that the cluster has no room for; without any worker the run ends."""
        now = time.monotonic()
        late = [m for m in self._members.values() if not m.ready and now - m.asked_at > _START_SECONDS]
        for member in late:
            # It is not ended: it takes part if the cluster finds room for it later.
            self._ledger.expect_no_more(member.place)
        if len(late) == len(self._members):
            raise WorkerError(
                f"no worker started within {_START_SECONDS:.0f} s: the cluster has no room for one",
                hint="wait until it is free, or ask for fewer --workers",
            )

    def crew(self) -> list[WorkerState]:
        """How each worker is doing."""
        return [self._state(member) for _, member in sorted(self._members.items())]

    def _state(self, member: Member) -> WorkerState:
        samples = max(member.samples_done, member.samples_told)
        holds = tuple(trial.job.output for trial in self._ledger.trials(member.place))
        return self._roster.state(member.place, samples, ready=member.ready, holds=holds)

    def samples_done(self) -> int:
        """Samples of jobs that are over, and of those under way as far as is known."""
        # A report may arrive before the answer that counts its samples: then the difference is below 0.
        under_way = (max(0, member.samples_done - member.samples_told) for member in self._members.values())
        return self._ledger.samples_done + sum(under_way)

    def close(self) -> None:
        """End every actor. Each is first asked to close, so that it removes what it has begun."""
        # One that has not answered yet may wait for free CPUs for ever, and has begun nothing.
        closing = [member.actor.close.remote() for member in self._members.values() if member.ready]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_SECONDS)
        for member in self._members.values():
            self._kill(member)

    def _kill(self, member: Member) -> None:
        with suppress(self._ray.exceptions.RayError):  # it is gone, or never came
            self._ray.kill(member.actor, no_restart=True)
