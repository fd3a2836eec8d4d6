"""A folder is bound to its plan: the first run writes it, a later one goes on with it or is refused."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from augengine.digests import canonical_json
from augengine.jobs import Job
from augengine.json_values import to_json
from augengine.runs.differences import differences, refuse_differences
from augengine.runs.plan import Plan, committed, read_plan, write_plan
from augengine.shards.layout import (
    index_file,
    plan_file,
    quarantine_file,
    report_file,
    summary_file,
    summary_text_file,
    tar_file,
)
from augengine.shards.write import target_errors
from augengine.storage import AnyPath, UrlPath, delete, size_of, write_if_absent


def check_plan(folder: AnyPath, plan: Plan, *, may_change: Collection[str] = ()) -> bool:
    """Write the plan if the folder has none, or none of which a sample was written; go on if it has the same.

    Args:
        folder: The dataset.
        plan: The plan of this run.
        may_change: Names of shards that are made anew: files of their input may have been mended since.

    Returns:
        Whether an earlier run began this dataset.

    Raises:
        PlanMismatch: It has another, and samples; the first differences are named.
    """
    before = read_plan(folder)
    if before is not None and not binds(folder, before, plan, jobs=_mended(before, plan, may_change)):
        before = None
    if before is None and _write_first(folder, plan):
        return False
    before = before or read_plan(folder, plan.kind)
    assert before is not None
    refuse_differences(folder, replace(before, jobs=_mended(before, plan, may_change)), plan)
    if before != plan:
        write_plan(folder, plan)
    return True


def _mended(before: Plan, now: Plan, may_change: Collection[str]) -> tuple[Job, ...]:
    """The jobs as they were, with what a mended input changes: sizes, what is known to be bad, a tar's own count."""
    found = {job.output: job for job in now.jobs if job.output in may_change}
    fields = ["size", "digest", "excluded", "apart", *(["count"] if before.source.get("kind") == "tars" else [])]
    changes = ((job, found.get(job.output, job)) for job in before.jobs)
    return tuple(replace(old, **{name: getattr(new, name) for name in fields}) for old, new in changes)


def check_growing_plan(folder: AnyPath, plan: Plan) -> None:
    """Write a plan that may have more jobs than the folder's: slides that could not be read before, and now can.

    Raises:
        PlanMismatch: It differs in anything else; the first differences are named.
    """
    before = read_plan(folder, plan.kind)
    if before is not None:
        had = {job.output for job in before.jobs}
        grown = plan.samples != before.samples
        known = [job for job in plan.jobs if job.output in had or not grown]
        jobs = tuple(replace(job, index=index) for index, job in enumerate(known))
        refuse_differences(folder, before, replace(plan, jobs=jobs))
    if before is None and not _write_first(folder, plan):
        check_growing_plan(folder, plan)
    elif before is not None and before != plan:
        write_plan(folder, plan)


def binds(folder: AnyPath, before: Plan, now: Plan, *, jobs: tuple[Job, ...] | None = None) -> bool:
    """Whether a dataset is gone on with; if nothing was written by another plan, that plan is removed instead.

    Args:
        folder: The dataset, held by us.
        before: Its plan.
        now: What is asked for.
        jobs: The jobs of ``before`` with what may change in them; by default its own.

    Raises:
        PlanMismatch: They differ, and the dataset holds samples; the first differences are named.
    """
    expected = before if jobs is None else replace(before, jobs=jobs)
    if not holds_samples(folder, before) and any(differences(expected, now)):
        _remove(folder, before)
        return False
    refuse_differences(folder, expected, now)
    return True


def holds_samples(folder: AnyPath, plan: Plan) -> bool:
    """Whether any sample of a plan was written; a folder without one is free for another plan."""
    return any(report.samples_out for report in committed(folder, plan).values())


def _remove(folder: AnyPath, plan: Plan) -> None:
    """Remove a plan by which nothing was written, with its reports, which name what failed."""
    own = (report_file, tar_file, index_file)
    files = [name(folder, job.output) for job in plan.jobs for name in own]
    with target_errors(folder):
        for file in (*files, quarantine_file(folder), summary_file(folder), summary_text_file(folder)):
            if size_of(file) is not None:
                delete(file)
        delete(plan_file(folder))


def _write_first(folder: AnyPath, plan: Plan) -> bool:
    """Write the plan where there is none; whether no other run was faster, which on a store no lock can exclude."""
    if isinstance(folder, UrlPath):
        with target_errors(folder):
            return write_if_absent(plan_file(folder), canonical_json(to_json(plan)) + b"\n")
    write_plan(folder, plan)
    return True
