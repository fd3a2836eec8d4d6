"""The seam: what an executor is, and how often a shard is tried."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from augengine.report import Job, Report

HELD_JOBS = 2
"""Jobs a worker holds at a time: one in its chain, one being encoded and published."""

RETRIES = 2
"""How often a failed shard is tried again, by whichever worker is free."""

POLL_SECONDS = 0.5
"""How long an executor waits before it tells of progress."""

OnProgress = Callable[[int], None]
"""Called now and then with the number of source samples finished since the run began."""


class WorkerSpec(Protocol):
    """What a worker does with every job: a frozen dataclass that can be sent to another process."""

    @property
    def threads(self) -> int:
        """CPU threads of one worker."""
        ...

    @property
    def device_id(self) -> int | None:
        """GPU, or None on a CPU."""
        ...


class Worker(Protocol):
    """Makes shards of jobs, two at a time, in threads of its own."""

    @property
    def samples_done(self) -> int:
        """Samples finished so far, good and bad."""
        ...

    def submit(self, job: Job) -> Future[Report]:
        """Queue a job. The future gives its report, a failed shard's too; it raises `TargetError` only."""
        ...

    def close(self) -> None:
        """Stop: shards under way are dropped, and nothing of them is left behind."""
        ...


StartWorker = Callable[[Any], Worker]
"""Makes a worker of its spec; a class or function of a module, so that another process finds it."""


class Executor(Protocol):
    """Runs jobs and yields a report for each, failed ones included, in the order they finish."""

    def __call__(
        self,
        jobs: Sequence[Job],
        worker: WorkerSpec,
        start: StartWorker,
        *,
        workers: int,
        address: str | None,
        on_progress: OnProgress,
    ) -> Generator[Report, None, None]:
        """Yield one report a job. Close the iterator to stop early: it returns when every writer is done.

        Args:
            jobs: What to make.
            worker: What every worker does; its ``threads`` are one worker's share.
            start: Makes a worker of it.
            workers: How many.
            address: A running Ray cluster's, or None for one of our own.
            on_progress: Told how far the run is.

        Raises:
            TargetError: The target is full or gone: no job can succeed.
            WorkerError: Workers cannot be started.
        """
        ...


@dataclass(slots=True)
class Attempts:
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
