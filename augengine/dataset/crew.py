"""Who makes a dataset's shards: how many workers, what each of them does, and what its node needs."""

from __future__ import annotations

from dataclasses import replace

from augengine.chain.pair import EnginesSpec
from augengine.dataset.preparing import Ready
from augengine.dataset.resolved import Run
from augengine.dataset.spec import WorkerSpec
from augengine.dataset.worker import Worker
from augengine.engines.driver import gpu_count
from augengine.engines.store import EngineStore
from augengine.errors import SpecError
from augengine.machine import cpu_threads
from augengine.runs import Crew, Hold
from augengine.storage import Access

_SMALL = 256 * 256
"""Pixels of an image up to which three processes feed a GPU, two beyond: reckoned from docs/notes/scaling.md."""


def make_crew(run: Run, ready: Ready, hold: Hold) -> Crew:
    """The workers of a run."""
    workers, threads = shares(run)
    return Crew(
        worker=replace(worker_spec(run, ready.engines, ready.store, threads), fence=hold.fence),
        start=Worker,
        workers=workers,
        address=run.request.ray_address,
        outfit=ready.outfit,
    )


def worker_spec(run: Run, engines: EnginesSpec, store: EngineStore | None, threads: int) -> WorkerSpec:
    """What every worker of a run does; ``threads`` are one worker's share."""
    return WorkerSpec(
        target=str(run.request.out.absolute()),
        spec=run.spec,
        source=run.source.to_json(),
        engines=engines,
        store="" if store is None else str(store.root.absolute()),
        threads=threads,
        device_id=0 if run.on_gpu else None,
        workers_per_gpu=workers_per_gpu(run),
        access=Access.of_environment(run.request.out, run.request.source, run.request.masks),
    )


def shares(run: Run) -> tuple[int | None, int]:
    """How many workers, and the CPU threads of each: as many per GPU as asked for; one uses all cores of a CPU best."""
    workers, per_gpu = run.request.workers, workers_per_gpu(run)
    if run.request.ray_address is not None:
        return workers, 1  # the cluster's nodes say how many fit, and their threads
    places = gpu_count() * per_gpu if run.on_gpu else 1
    if workers is None:
        workers = places
    if run.on_gpu and workers > places:
        what = f"{workers} workers, but {gpu_count()} GPUs for {per_gpu} each"
        raise SpecError(what, hint="--workers auto, or more --workers-per-gpu")
    return workers, max(1, cpu_threads() // workers)


def workers_per_gpu(run: Run) -> int:
    """How many workers share a GPU. ``auto`` takes more for small images: each keeps Python as busy as a large one.

    Raises:
        SpecError: Several share a GPU, and the run is on a CPU.
    """
    if not run.on_gpu:
        if (run.request.workers_per_gpu or 1) > 1:
            raise SpecError("--workers-per-gpu is for GPUs, and this run is on a CPU", hint="leave it out")
        return 1
    height, width = run.listing.largest
    return run.request.workers_per_gpu or (3 if height * width <= _SMALL else 2)
