"""Runs jobs in this process, by one worker. What kills the worker kills this process: only `run_ray` survives that."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import closing

from augengine.errors import WorkerError
from augengine.fleet.base import POLL_SECONDS, OnCrew, OnProgress, OnQuarantine, StartWorker, WorkerSpec
from augengine.fleet.ledger import Ledger, Trial
from augengine.fleet.roster import Roster
from augengine.fleet.rules import Rules
from augengine.jobs import Job, Report

_HERE = 0
"""The only place."""


def run_local(
    jobs: Sequence[Job],
    worker: WorkerSpec,
    start: StartWorker,
    *,
    workers: int | None = 1,
    address: str | None = None,
    on_progress: OnProgress = lambda _: None,
    on_quarantine: OnQuarantine = lambda *_: None,
    on_crew: OnCrew = lambda _: None,
) -> Generator[Report, None, None]:
    """Run jobs in this process; see `Executor`."""
    if workers != 1 or address is not None:
        raise WorkerError(f"one worker runs in this process, {workers} were asked for", hint="run_ray runs many")
    ledger = Ledger(jobs, Rules(), on_quarantine)
    ledger.enter(_HERE)
    roster = Roster()
    roster.enter(_HERE, socket.gethostname())
    with closing(start(worker)) as one:
        held: deque[tuple[Trial, Future[Report]]] = deque()

        def tell() -> None:
            holds = tuple(trial.job.output for trial in ledger.trials(_HERE))
            on_crew([roster.state(_HERE, one.samples_done, ready=True, holds=holds)])
            on_progress(one.samples_done)

        while ledger.is_open:
            while (trial := ledger.next_for(_HERE)) is not None:
                held.append((trial, one.submit(trial.job)))
            # The oldest first: a worker finishes its jobs in the order in which it was given them.
            trial, future = held.popleft()
            report = _wait(future, tell)
            roster.finish(_HERE, report)
            over = ledger.finish(_HERE, trial, report)
            tell()
            yield from over


def _wait(future: Future[Report], tick: Callable[[], None]) -> Report:
    while True:
        try:
            return future.result(timeout=POLL_SECONDS)
        except FutureTimeout:
            tick()
