"""Starts workers' processes wherever Ray has room, except on nodes that turned out unfit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from augengine.fleet.actor import Actor, Arrival, Member
from augengine.fleet.base import HELD_JOBS, StartWorker, WorkerSpec
from augengine.fleet.cluster import Cluster
from augengine.fleet.fitting import Fitting

OnWarning = Callable[[str], None]
"""Called with a line that the user should see."""


@dataclass(slots=True)
class Hiring:
    """What every worker of a run is started with.

    Attributes:
        cluster: Where workers start.
        worker: What each of them does; its ``threads`` are set to the cluster's.
        start: Makes a worker.
        fitting: What a worker does first on its node; None unless the cluster was joined.
        on_warning: Told of nodes that are not used.
        unfit: Ids of those nodes.
    """

    cluster: Cluster
    worker: WorkerSpec
    start: StartWorker
    fitting: Fitting | None
    on_warning: OnWarning
    unfit: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.worker = _with(self.worker, threads=self.cluster.threads)

    def hire(self, place: int) -> Member:
        """Start an actor; it can be given jobs once it has answered."""
        gpus = 0 if self.worker.device_id is None else 1 / self.worker.workers_per_gpu
        # One thread for each job held, one to ask for progress, one to close.
        remote = self.cluster.ray.remote(Actor).options(
            num_cpus=self.worker.threads,
            num_gpus=gpus,
            max_concurrency=HELD_JOBS + 2,
            # The pool replaces workers itself: a restart by Ray would hide a death from the ledger.
            max_restarts=0,
            scheduling_strategy="SPREAD",
            # Else Ray may start the replacement on the unfit node again and again, since that has room.
            label_selector={"ray.io/node-id": f"!in({','.join(sorted(self.unfit))})"} if self.unfit else None,
        )
        # Ray shows an actor only its own GPU, so that its number there is 0.
        share = _with(self.worker, device_id=0) if gpus else self.worker
        cores = self.cluster.cores[place] if self.cluster.cores else ()
        actor = remote.remote(share, self.start, cores, self.fitting)
        # `arrival` is asked first: once the second question is answered, the pool need not wait for the first.
        return Member(actor, place, time.monotonic(), actor.arrival.remote(), actor.samples_done.remote())

    def is_fit(self, arrival: Arrival) -> bool:
        """Whether a worker may stay where it arrived. A node that joined late and is unfit is named in one warning."""
        if self.fitting is None:
            return True
        trouble = arrival.trouble or self.fitting.not_arrived(arrival.node_id)
        if trouble and arrival.node_id not in self.unfit:
            self.unfit.add(arrival.node_id)
            self.on_warning(f"node {arrival.host} ({arrival.node_id[:6]}) joined late and gets no shards: {trouble}")
        return not trouble


def _with(worker: WorkerSpec, **changes: int) -> WorkerSpec:
    changed: WorkerSpec = replace(cast(Any, worker), **changes)
    return changed
