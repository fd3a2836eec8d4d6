"""A worker's process (`Actor`), and what the driver knows of it (`Member`)."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

from augengine.fleet.base import StartWorker, WorkerSpec
from augengine.fleet.fitting import Fitting
from augengine.jobs import Job, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Where a worker's process is.

    Attributes:
        host: The machine's name.
        node_id: Ray's name of the node, in a joined cluster.
        trouble: Why it may not work there; empty if it may.
    """

    host: str
    node_id: str
    trouble: str


class Actor:
    """A worker in a process of its own, on its own share of the machine.

    Args:
        worker: What it does.
        start: Makes the worker.
        cores: The cores it may use; empty for any.
        fitting: What it does first on a node of a joined cluster; None on the driver's own machine.
    """

    def __init__(
        self,
        worker: WorkerSpec,
        start: StartWorker,
        cores: tuple[int, ...],
        fitting: Fitting | None = None,
    ) -> None:
        if cores:
            # Threads started from here on inherit it, the engine's and the decoder's too.
            os.sched_setaffinity(0, cores)
        # Trouble is kept and not raised: the driver would count an error here as the death of a worker.
        node_id, trouble = ("", "") if fitting is None else fitting.look()
        self._arrival = Arrival(host=socket.gethostname(), node_id=node_id, trouble=trouble)
        # An unfit node is not fitted out either: no engines are built where no worker may start.
        self._worker = None if trouble else start(worker if fitting is None else fitting.fit(worker))

    def make(self, job: Job, publishes: bool) -> Report:
        """Make one shard. Several calls may run at a time; one worker serves them all."""
        assert self._worker is not None
        # This blocks a thread of the actor, not the actor: `Hiring` gives it one for each job it holds, and two more.
        return self._worker.submit(job, publishes=publishes).result()

    def samples_done(self) -> int:
        """Source samples finished so far."""
        return 0 if self._worker is None else self._worker.samples_done

    def arrival(self) -> Arrival:
        """Where the worker runs, and whether it may run there."""
        return self._arrival

    def close(self) -> None:
        """Drop the shards under way; nothing of them is left behind."""
        if self._worker is not None:
            self._worker.close()


@dataclass(slots=True)
class Member:
    """An actor, as the driver sees it.

    Attributes:
        actor: Ray's handle.
        place: Number of the place where it works; a worker that replaces it has the same.
        asked_at: When it was started, on the monotonic clock.
        arrival: Ray's reference of its `Arrival`.
        asked: Ray's reference of the next count of samples that it will give.
        ready: Whether it has answered once. It gets no job before: an actor may wait for free CPUs for ever.
        samples_done: How many samples it had done when it last answered.
        samples_told: How many samples the reports of its finished trials named.
    """

    actor: Any
    place: int
    asked_at: float
    arrival: Any
    asked: Any
    ready: bool = False
    samples_done: int = 0
    samples_told: int = 0
