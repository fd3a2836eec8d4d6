"""Many jobs: in this process, or over Ray. One signature (`base.Executor`), equal bytes."""

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
    "run_local",
    "run_ray",
]
