"""The shards of a plan that are not there yet: made by some workers, and told of."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from augengine.fleet.base import Executor, Outfit, StartWorker, WorkerSpec
from augengine.fleet.local import run_local
from augengine.fleet.pool import run_ray
from augengine.jobs import Report
from augengine.runs.plan import Plan
from augengine.runs.quarantine import leave_out, quarantine
from augengine.runs.recorder import Recorder
from augengine.runs.retry import Retry
from augengine.runs.target_hold import Hold
from augengine.storage import AnyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who makes shards.

    Attributes:
        worker: What each of them does.
        start: Makes one of it.
        workers: How many; None, in a joined cluster, for as many as it has room for.
        address: A running cluster's.
        outfit: What its nodes must have.
    """

    worker: WorkerSpec
    start: StartWorker
    workers: int | None
    address: str | None
    outfit: Outfit


def survives(workers: int | None, address: str | None) -> bool:
    """Whether workers run in other processes, so that a sample that kills one does not end us."""
    return workers != 1 or address is not None


def make_missing(
    folder: AnyPath, plan: Plan, done: Collection[str], crew: Crew, retry: Retry, hold: Hold, recorder: Recorder
) -> dict[str, Report]:
    """Make what is not done, and tell of it.

    Args:
        folder: The dataset.
        plan: All of its shards.
        done: Names of those that need nothing.
        crew: Who makes them: one worker in this process, many or those of a cluster over Ray.
        retry: What is tried again, samples that killed workers included.
        hold: Hold on the folder; once it is lost, the run stops.
        recorder: Told how far it is.

    Returns:
        A report for each shard, by its name; failed ones included.

    Raises:
        AugengineError: `Executor` raised it; finished shards stay.
    """
    missing = [job for job in plan.jobs if job.output not in done]
    jobs = leave_out(folder, missing, retried=retry.outputs)
    if not jobs:
        return {}
    reports = _executor(crew, recorder)(
        jobs,
        crew.worker,
        crew.start,
        workers=crew.workers,
        address=crew.address,
        on_progress=hold.checking(recorder.advance),
        on_quarantine=retry.noting(partial(quarantine, folder)),
        on_crew=recorder.crew,
    )
    with closing(reports):  # whatever stops us: every writer is done before the lock is released
        return {report.output: report for report in recorder.follow(reports)}


def _executor(crew: Crew, recorder: Recorder) -> Executor:
    many = survives(crew.workers, crew.address)
    return partial(run_ray, outfit=crew.outfit, on_warning=recorder.warn) if many else run_local
