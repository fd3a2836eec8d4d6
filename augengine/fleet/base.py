"""The seam: what an executor is, and what a worker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from augengine.jobs import Job, Report
from augengine.progress import WorkerState

HELD_JOBS = 2
"""Jobs a worker holds at a time: one in its chain, one being encoded and published."""

POLL_SECONDS = 0.5
"""How long an executor waits before it tells of progress."""

OnProgress = Callable[[int], None]
"""Called now and then with the number of source samples finished since the run began."""

OnCrew = Callable[[Sequence[WorkerState]], None]
"""Called now and then with how each worker is doing."""

OnQuarantine = Callable[[Job, int, str], None]
"""Called when a sample is found that kills workers: its job, which excludes it now, its ordinal, and the reason."""


class WorkerSpec(Protocol):
    """What a worker does with every job: a frozen dataclass that can be sent to another process."""

    @property
    def target(self) -> str:
        """The folder that its shards go to."""
        ...

    @property
    def threads(self) -> int:
        """CPU threads of one worker."""
        ...

    @property
    def device_id(self) -> int | None:
        """GPU, or None on a CPU."""
        ...

    @property
    def workers_per_gpu(self) -> int:
        """How many workers share a GPU; 1 on a CPU."""
        ...


class Outfit(Protocol):
    """What a node of a joined cluster must have before a worker starts on it. It is sent to the nodes."""

    @property
    def files(self) -> Mapping[str, str]:
        """What a node may lack, on the driver's machine: digest -> file, a few MB each."""
        ...

    @property
    def reads(self) -> Sequence[str]:
        """Local paths that workers read, beside the jobs' sources."""
        ...

    def machine(self) -> str:
        """What of this machine decides bytes, in words."""
        ...

    def fit(self, worker: Any, fetch: Callable[[str], bytes]) -> Any:
        """The worker's spec as it holds on this node, with all that it names made or fetched."""
        ...


class Worker(Protocol):
    """Makes shards of jobs, two at a time, in threads of its own."""

    @property
    def samples_done(self) -> int:
        """Samples finished so far, good and bad."""
        ...

    def submit(self, job: Job, *, publishes: bool = True) -> Future[Report]:
        """Queue a job. The future gives its report, a failed shard's too; it raises `TargetError` only.

        Without ``publishes`` all is done that is done for a shard, and then it is dropped: a trial.
        """
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
        workers: int | None,
        address: str | None,
        on_progress: OnProgress,
        on_quarantine: OnQuarantine,
        on_crew: OnCrew = ...,
    ) -> Generator[Report, None, None]:
        """Yield one report per job. Close the iterator to stop early: it returns when every writer is done.

        Args:
            jobs: What to make.
            worker: What every worker does; its ``threads`` are one worker's share.
            start: Makes a worker of it.
            workers: How many; None, in a joined cluster, for one per GPU, or on CPUs one per node.
            address: A running Ray cluster's, or None for one of our own.
            on_progress: Told how far the run is.
            on_quarantine: Told of samples that kill workers, as soon as they are found.
            on_crew: Told how each worker is doing.

        Raises:
            TargetError: The target is full or gone: no job can succeed.
            WorkerError: Workers cannot be started.
        """
        ...
