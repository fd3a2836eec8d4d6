"""Jobs in this process, by one worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import closing

from augengine.errors import WorkerError
from augengine.fleet.base import HELD_JOBS, POLL_SECONDS, Attempts, OnProgress, StartWorker, WorkerSpec
from augengine.report import Job, Report


def run_local(
    jobs: Sequence[Job],
    worker: WorkerSpec,
    start: StartWorker,
    *,
    workers: int = 1,
    address: str | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Generator[Report, None, None]:
    """Run jobs in this process; see `Executor`."""
    if workers != 1 or address is not None:
        raise WorkerError(f"one worker runs in this process, {workers} were asked for", hint="run_ray runs many")
    attempts = Attempts(deque(jobs))
    with closing(start(worker)) as one:
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
            return future.result(timeout=POLL_SECONDS)
        except FutureTimeout:
            tick()
