"""Jobs on Ray actors, one chain each. Ray carries jobs and reports only: images stay in the worker that reads them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from augengine.errors import WorkerError
from augengine.fleet.base import HELD_JOBS, POLL_SECONDS, RETRIES, Attempts, OnProgress, StartWorker, WorkerSpec
from augengine.fleet.cluster import Cluster, first_line, join
from augengine.report import Job, Report

_START_SECONDS = 120.0
_CLOSE_SECONDS = 10.0


def run_ray(
    jobs: Sequence[Job],
    worker: WorkerSpec,
    start: StartWorker,
    *,
    workers: int,
    address: str | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Generator[Report, None, None]:
    """Run jobs on Ray actors; see `Executor`."""
    attempts = Attempts(deque(jobs))
    with _pool(address, workers, (worker, start), attempts) as pool:
        while attempts.waiting or pool.held:
            pool.fill()
            yield from pool.finished()
            on_progress(pool.samples_done())


@contextmanager
def _pool(
    address: str | None, workers: int, work: tuple[WorkerSpec, StartWorker], attempts: Attempts
) -> Iterator[_Pool]:
    worker, start = work
    with join(address, workers, worker) as cluster:
        share = _with(worker, threads=cluster.threads)
        with closing(_Pool(cluster, share, start, workers, attempts)) as pool:
            yield pool


def _with(worker: WorkerSpec, **changes: int) -> WorkerSpec:
    changed: WorkerSpec = replace(cast(Any, worker), **changes)
    return changed


class _Actor:
    """A worker in a process of its own, on its own share of the machine.

    Args:
        worker: What it does.
        start: Makes the worker.
        cores: The cores it may use; empty for any.
    """

    def __init__(self, worker: WorkerSpec, start: StartWorker, cores: tuple[int, ...]) -> None:
        if cores:
            # Threads started from here on inherit it, the engine's and the decoder's too.
            os.sched_setaffinity(0, cores)
        self._worker = start(worker)

    def make(self, job: Job) -> Report:
        """Make one shard; several calls run at a time, one worker serves them all."""
        return self._worker.submit(job).result()

    def samples_done(self) -> int:
        """Source samples finished so far."""
        return self._worker.samples_done

    def close(self) -> None:
        """Drop the shards in hand; nothing of them is left behind."""
        self._worker.close()


@dataclass(slots=True)
class _Member:
    """An actor of the pool.

    Attributes:
        actor: Ray's handle.
        slot: Which share of the machine it has.
        first_answer: Becomes ready once the actor runs.
        asked: When it was started.
        ready: Whether it has answered; an actor may wait for free CPUs for ever.
        samples_done: As last heard.
    """

    actor: Any
    slot: int
    first_answer: Any
    asked: float
    ready: bool = False
    samples_done: int = 0


class _Pool:
    """Actors and the jobs they hold; one that dies is replaced, and its jobs are queued again."""

    def __init__(
        self, cluster: Cluster, worker: WorkerSpec, start: StartWorker, workers: int, attempts: Attempts
    ) -> None:
        self._ray = cluster.ray
        self._cluster = cluster
        self._worker = worker
        self._start_worker = start
        self._attempts = attempts
        self._deaths = 0
        self._limit = 3 + 2 * workers
        self._lost_progress = 0
        self._members: list[_Member] = []
        self.held: dict[Any, tuple[_Member, Job]] = {}
        for slot in range(workers):
            self._start(slot)

    def _start(self, slot: int) -> None:
        gpus = 0 if self._worker.device_id is None else 1
        # One thread for each job held, one to ask for progress and to close.
        remote = self._ray.remote(_Actor).options(
            num_cpus=self._worker.threads, num_gpus=gpus, max_concurrency=HELD_JOBS + 1, max_restarts=0
        )
        # Ray shows an actor only its own GPU, so that its number there is 0.
        share = _with(self._worker, device_id=0) if gpus else self._worker
        cores = self._cluster.cores[slot] if self._cluster.cores else ()
        actor = remote.remote(share, self._start_worker, cores)
        self._members.append(_Member(actor, slot, actor.samples_done.remote(), time.monotonic()))

    def fill(self) -> None:
        """Give waiting jobs to the running actors that hold fewest."""
        while self._attempts.waiting:
            ready = [member for member in self._members if member.ready]
            member = min(ready, key=self._load, default=None)
            if member is None or self._load(member) >= HELD_JOBS:
                return
            job = self._attempts.waiting.popleft()
            self.held[member.actor.make.remote(job)] = (member, job)

    def _load(self, member: _Member) -> int:
        return sum(holder is member for holder, _ in self.held.values())

    def finished(self) -> Iterator[Report]:
        """Wait a moment; the reports of jobs that are over for good."""
        starting = {member.first_answer: member for member in self._members if not member.ready}
        done, _ = self._ray.wait([*self.held, *starting], num_returns=1, timeout=POLL_SECONDS)
        for reference in done:
            if reference in starting:
                yield from self._welcome(starting[reference])
            elif reference in self.held:  # not lost with its actor meanwhile
                yield from self._collect(reference)
        self._check_started()

    def _welcome(self, member: _Member) -> Iterator[Report]:
        try:
            self._ray.get(member.first_answer)
            member.ready = True
        except self._ray.exceptions.RayError as error:
            yield from self._bury(member, error)

    def _check_started(self) -> None:
        waited = time.monotonic() - max(member.asked for member in self._members)
        if waited > _START_SECONDS and not any(member.ready for member in self._members):
            raise WorkerError(
                f"no worker started within {_START_SECONDS:.0f} s: the cluster has no room for one",
                hint="wait until it is free, or ask for fewer --workers",
            )

    def _collect(self, reference: Any) -> Iterator[Report]:
        member, job = self.held[reference]
        try:
            report: Report = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from error
        except self._ray.exceptions.RayError as error:  # dead, out of memory, its node gone ...
            yield from self._bury(member, error)
            return
        del self.held[reference]
        if not report.error or not self._attempts.retry(job):
            yield report

    def _bury(self, member: _Member, error: Exception) -> Iterator[Report]:
        """Replace an actor that died or cannot be reached: an unreachable one may answer so for ever."""
        lost = [(reference, job) for reference, (holder, job) in self.held.items() if holder is member]
        self._members.remove(member)
        self._lost_progress += member.samples_done
        self._kill(member)
        self._deaths += 1
        for reference, job in lost:
            del self.held[reference]
            if not self._attempts.retry(job):
                died = f"its worker died {RETRIES + 1} times, last: {first_line(error)}"
                yield Report(output=job.output, error=died)
        if self._deaths > self._limit:
            raise WorkerError(f"{self._deaths} workers died: {first_line(error)}", hint="try --workers 1 to see why")
        self._start(member.slot)

    def samples_done(self) -> int:
        """Samples finished by all actors, dead ones included."""
        for member in self._members:
            if member.ready:
                with suppress(self._ray.exceptions.RayError):
                    member.samples_done = self._ray.get(member.actor.samples_done.remote(), timeout=POLL_SECONDS)
        return sum(member.samples_done for member in self._members) + self._lost_progress

    def close(self) -> None:
        """End every actor: asked first, so that it removes what it has begun."""
        closing = [member.actor.close.remote() for member in self._members if member.ready]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_SECONDS)
        for member in self._members:
            self._kill(member)

    def _kill(self, member: _Member) -> None:
        with suppress(self._ray.exceptions.RayError):  # it is gone, or never came
            self._ray.kill(member.actor, no_restart=True)
