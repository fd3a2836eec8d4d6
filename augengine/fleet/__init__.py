"""Many jobs: in this process, or over Ray. One signature (`base.Executor`), equal bytes."""

from functools import partial

from augengine.fleet.base import HELD_JOBS, Executor, OnCrew, OnQuarantine, Outfit, StartWorker, Worker, WorkerSpec
from augengine.fleet.cluster import check_address
from augengine.fleet.local import run_local
from augengine.fleet.pool import run_ray
from augengine.fleet.rules import Rules, Watchdog

MAY_CRASH = (
    "the run before was killed or crashed; if this one crashes too, type it with --workers 2: "
    "other processes survive a sample that crashes one, and name it"
)
"""Said when a run in this process follows on one that ended without a word."""

__all__ = [
    "HELD_JOBS",
    "MAY_CRASH",
    "Executor",
    "OnCrew",
    "OnQuarantine",
    "Outfit",
    "Rules",
    "StartWorker",
    "Watchdog",
    "Worker",
    "WorkerSpec",
    "check_address",
    "pick_executor",
    "run_local",
    "run_ray",
]


def pick_executor(workers: int | None, address: str | None, outfit: Outfit | None = None) -> Executor:
    """One worker runs in this process; many, or those of a running cluster, over Ray.

    Args:
        workers: How many.
        address: A running cluster's.
        outfit: What its nodes must have.
    """
    return run_local if workers == 1 and address is None else partial(run_ray, outfit=outfit)
