"""What runs in a worker's process, and what the driver knows of it."""

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
        node_id, trouble = ("", "") if fitting is None else fitting.look()
        self._arrival = Arrival(host=socket.gethostname(), node_id=node_id, trouble=trouble)
        self._worker = None if trouble else start(worker if fitting is None else fitting.fit(worker))

    def make(self, job: Job, publishes: bool) -> Report:
        """Make one shard; several calls run at a time, one worker serves them all."""
        assert self._worker is not None
        return self._worker.submit(job, publishes=publishes).result()

    def samples_done(self) -> int:
        """Source samples finished so far."""
        return 0 if self._worker is None else self._worker.samples_done

    def arrival(self) -> Arrival:
        """Where the worker runs, and whether it may run there."""
        return self._arrival

    def close(self) -> None:
        """Drop the shards in hand; nothing of them is left behind."""
        if self._worker is not None:
            self._worker.close()


@dataclass(slots=True)
class Member:
    """An actor of the pool.

    Attributes:
        actor: Ray's handle.
        place: Which share of the machine it has.
        asked_at: When it was started.
        arrival: Its answer to the question where it runs.
        asked: Its answer to the question how many samples it has done, when it comes. It is used only after its
            first answer: an actor may wait for free CPUs for ever.
        ready: Whether it has answered.
        samples_done: How many samples it had done when it last answered.
        samples_told: Those of them that belong to trials it got through.
    """

    actor: Any
    place: int
    asked_at: float
    arrival: Any
    asked: Any
    ready: bool = False
    samples_done: int = 0
    samples_told: int = 0
