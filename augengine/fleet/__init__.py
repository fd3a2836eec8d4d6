"""Many jobs: in this process, or over Ray. One signature (`base.Executor`), equal bytes."""

from augengine.errors import SpecError
from augengine.fleet.base import HELD_JOBS, Executor, OnCrew, OnQuarantine, StartWorker, Worker, WorkerSpec
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
    "Rules",
    "StartWorker",
    "Watchdog",
    "Worker",
    "WorkerSpec",
    "check_crew",
    "pick_executor",
    "run_local",
    "run_ray",
]


def pick_executor(workers: int, address: str | None) -> Executor:
    """One worker runs in this process; many, or those of a running cluster, over Ray."""
    return run_local if workers == 1 and address is None else run_ray


def check_crew(workers: int | None, address: str | None) -> None:
    """Refuse a cluster without a number of workers: what fits one machine says nothing of it.

    Raises:
        SpecError: An address, and no number.
    """
    if address is not None and workers is None:
        raise SpecError("how many workers a cluster should run is not known", hint="say --workers N beside --ray")
