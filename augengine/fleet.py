"""Many jobs: in this process, or over Ray. One signature, equal bytes.

Ray carries jobs and reports only; images stay in the worker that reads them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from augengine.errors import TargetError, WorkerError
from augengine.job import Worker, WorkerSpec
from augengine.report import Job, Report

HELD_JOBS = 2
"""Jobs a worker holds at a time: one in its chain, one being encoded and published."""

RETRIES = 2
"""How often a failed shard is tried again, by whichever worker is free."""

_POLL_SECONDS = 0.5
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 10.0

OnProgress = Callable[[int], None]
"""Called now and then with the number of source samples finished since the run began."""


class Executor(Protocol):
    """Runs jobs and yields a report for each, failed ones included, in the order they finish."""

    def __call__(
        self, jobs: Sequence[Job], worker: WorkerSpec, *, workers: int, address: str | None, on_progress: OnProgress
    ) -> Iterator[Report]:
        """Yield one report a job.

        Args:
            jobs: What to make.
            worker: What every worker does; its ``threads`` are one worker's share.
            workers: How many.
            address: A running Ray cluster's, or None for one of our own.
            on_progress: Told how far the run is.

        Raises:
            TargetError: The target is full or gone: no job can succeed.
            WorkerError: Workers cannot be started.
        """
        ...


@dataclass(slots=True)
class _Attempts:
    """Which jobs wait, and how often each was tried."""

    waiting: deque[Job]
    failed: dict[int, int] = field(default_factory=dict)

    def retry(self, job: Job) -> bool:
        """Queue a failed job again, unless it had its tries."""
        self.failed[job.index] = self.failed.get(job.index, 0) + 1
        if self.failed[job.index] > RETRIES:
            return False
        self.waiting.append(job)
        return True


def run_local(
    jobs: Sequence[Job],
    worker: WorkerSpec,
    *,
    workers: int = 1,
    address: str | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Iterator[Report]:
    """Run jobs in this process, one worker; see `Executor`."""
    if workers != 1 or address is not None:
        raise WorkerError(f"one worker runs in this process, {workers} were asked for", hint="run_ray runs many")
    attempts = _Attempts(deque(jobs))
    with Worker(worker) as one:
        held: deque[tuple[Job, Future[Report]]] = deque()
        while attempts.waiting or held:
            while attempts.waiting and len(held) < HELD_JOBS:
                job = attempts.waiting.popleft()
                held.append((job, one.submit(job)))
            job, future = held.popleft()
            report = _wait(future, lambda: on_progress(one.samples_done))
            on_progress(one.samples_done)
            if not report.error or not attempts.retry(job):
                yield report


def _wait(future: Future[Report], tick: Callable[[], None]) -> Report:
    while True:
        try:
            return future.result(timeout=_POLL_SECONDS)
        except FutureTimeout:
            tick()


class _Actor:
    """A worker in a process of its own, on its own share of the machine."""

    def __init__(self, worker: WorkerSpec) -> None:
        self._worker = Worker(worker)

    def augment(self, job: Job) -> Report:
        """Make one shard; several calls run at a time, one chain serves them all."""
        return self._worker.submit(job).result()

    def samples_done(self) -> int:
        """Source samples finished so far."""
        return self._worker.samples_done

    def close(self) -> None:
        """Drop the shards in hand; nothing of them is left behind."""
        self._worker.close()


class _Pool:
    """Ray actors and the jobs they hold; one that dies is replaced, and its jobs are queued again."""

    def __init__(self, ray: Any, worker: WorkerSpec, workers: int, attempts: _Attempts) -> None:
        self._ray = ray
        self._worker = worker
        self._attempts = attempts
        self._deaths = 0
        self._limit = 3 + 2 * workers
        self._lost_progress = 0
        self.actors: dict[Any, int] = {}
        self.held: dict[Any, tuple[Any, Job]] = {}
        for _ in range(workers):
            self._start()

    def _start(self) -> None:
        gpus = 0 if self._worker.device_id is None else 1
        # One thread for each job held, one to ask for progress and to close.
        remote = self._ray.remote(_Actor).options(
            num_cpus=self._worker.threads, num_gpus=gpus, max_concurrency=HELD_JOBS + 1, max_restarts=0
        )
        # Ray shows an actor only its own GPU, so that its number there is 0.
        share = self._worker if not gpus else replace(self._worker, device_id=0)
        self.actors[remote.remote(share)] = 0

    def fill(self) -> None:
        """Give waiting jobs to the actors that hold fewest."""
        while self._attempts.waiting:
            actor = min(self.actors, key=self._load)
            if self._load(actor) >= HELD_JOBS:
                return
            job = self._attempts.waiting.popleft()
            self.held[actor.augment.remote(job)] = (actor, job)

    def _load(self, actor: Any) -> int:
        return sum(holder is actor for holder, _ in self.held.values())

    def finished(self) -> Iterator[Report]:
        """Wait a moment; the reports of jobs that are over for good."""
        done, _ = self._ray.wait(list(self.held), num_returns=1, timeout=_POLL_SECONDS)
        for reference in done:
            if reference in self.held:
                yield from self._collect(reference)

    def _collect(self, reference: Any) -> Iterator[Report]:
        actor, job = self.held[reference]
        try:
            report: Report = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            yield from self._bury(actor, error)
            return
        except self._ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from error
        del self.held[reference]
        if not report.error or not self._attempts.retry(job):
            yield report

    def _bury(self, actor: Any, error: Exception) -> Iterator[Report]:
        """Replace an actor that died or cannot be reached: an unreachable one may answer so for ever."""
        lost = [(reference, job) for reference, (holder, job) in self.held.items() if holder is actor]
        self._lost_progress += self.actors.pop(actor)
        self._ray.kill(actor, no_restart=True)
        self._deaths += 1
        for reference, job in lost:
            del self.held[reference]
            if not self._attempts.retry(job):
                yield Report(
                    output=job.output, error=f"its worker died {RETRIES + 1} times, last: {_first_line(error)}"
                )
        if self._deaths > self._limit:
            raise WorkerError(f"{self._deaths} workers died: {_first_line(error)}", hint="try --workers 1 to see why")
        self._start()

    def close(self) -> None:
        """End every actor: asked first, so that it removes what it has begun."""
        self._ray.wait(
            [actor.close.remote() for actor in self.actors], num_returns=len(self.actors), timeout=_CLOSE_SECONDS
        )
        for actor in self.actors:
            self._ray.kill(actor, no_restart=True)

    def samples_done(self) -> int:
        """Samples finished by all actors, dead ones included."""
        for actor in self.actors:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self.actors[actor] = self._ray.get(actor.samples_done.remote(), timeout=_POLL_SECONDS)
        return sum(self.actors.values()) + self._lost_progress


def run_ray(
    jobs: Sequence[Job],
    worker: WorkerSpec,
    *,
    workers: int,
    address: str | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Iterator[Report]:
    """Run jobs on Ray actors, one chain each; see `Executor`."""
    attempts = _Attempts(deque(jobs))
    with _pool(address, workers, worker, attempts) as pool:
        while attempts.waiting or pool.held:
            pool.fill()
            yield from pool.finished()
            on_progress(pool.samples_done())


@contextlib.contextmanager
def _pool(address: str | None, workers: int, worker: WorkerSpec, attempts: _Attempts) -> Iterator[_Pool]:
    with _cluster(address, workers, worker) as ray, contextlib.closing(_Pool(ray, worker, workers, attempts)) as pool:
        yield pool


@contextlib.contextmanager
def _cluster(address: str | None, workers: int, worker: WorkerSpec) -> Iterator[Any]:
    """Ray, joined or started on loopback; what was started here is stopped here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray  # half a second and much memory: only where workers are many

    if address:
        _check_reachable(address)
    own: dict[str, Any] = {"num_cpus": workers * worker.threads, "include_dashboard": False}
    if worker.device_id is not None:
        own["num_gpus"] = workers
    options = {"address": address} if address else {"address": "local", **own}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"join Ray at {address}" if address else "start Ray"
        raise WorkerError(f"cannot {where}: {_first_line(error)}", hint="check --ray, or leave it out") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself goes on trying for minutes before it says that nobody answers."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return  # "auto" and the like are Ray's to resolve
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        hint = "give --ray the HOST:PORT that `ray start --head` printed, or leave it out"
        raise WorkerError(f"cannot join Ray at {address}: {error}", hint=hint) from error


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


__all__ = ["HELD_JOBS", "RETRIES", "Executor", "TargetError", "run_local", "run_ray"]
