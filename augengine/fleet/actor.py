"""What runs in a worker's process, and what the driver knows of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from augengine.fleet.base import Outfit, StartWorker, WorkerSpec
from augengine.report import Job, Report


class Actor:
    """A worker in a process of its own, on its own share of the machine.

    Args:
        worker: What it does.
        start: Makes the worker.
        cores: The cores it may use; empty for any.
        outfit: What this node must have first, and how it gets what it lacks; None on the driver's own machine.
    """

    def __init__(
        self,
        worker: WorkerSpec,
        start: StartWorker,
        cores: tuple[int, ...],
        outfit: tuple[Outfit, Callable[[str], bytes]] | None = None,
    ) -> None:
        if cores:
            # Threads started from here on inherit it, the engine's and the decoder's too.
            os.sched_setaffinity(0, cores)
        if outfit is not None:
            worker = outfit[0].fit(worker, outfit[1])
        self._worker = start(worker)

    def make(self, job: Job, publishes: bool) -> Report:
        """Make one shard; several calls run at a time, one worker serves them all."""
        return self._worker.submit(job, publishes=publishes).result()

    def samples_done(self) -> int:
        """Source samples finished so far."""
        return self._worker.samples_done

    def host(self) -> str:
        """The machine it runs on."""
        return socket.gethostname()

    def close(self) -> None:
        """Drop the shards in hand; nothing of them is left behind."""
        self._worker.close()


@dataclass(slots=True)
class Member:
    """An actor of the pool.

    Attributes:
        actor: Ray's handle.
        place: Which share of the machine it has.
        asked_at: When it was started.
        host: Its answer to the question where it runs.
        asked: Its answer to the question how many samples it has done, when it comes. It is used only after its
            first answer: an actor may wait for free CPUs for ever.
        ready: Whether it has answered.
        samples_done: As last heard.
        samples_told: Those of them that belong to trials it got through.
    """

    actor: Any
    place: int
    asked_at: float
    host: Any
    asked: Any
    ready: bool = False
    samples_done: int = 0
    samples_told: int = 0
