"""The plan of a dataset, the jobs in it, and the folder it is made in."""

from augengine.plan.jobs import make_jobs
from augengine.plan.plan import (
    Plan,
    check_growing_plan,
    check_plan,
    committed,
    differences,
    read_plan,
    refuse_differences,
    write_plan,
)
from augengine.plan.quarantine import leave_out, quarantine
from augengine.plan.target import open_target

__all__ = [
    "Plan",
    "check_growing_plan",
    "check_plan",
    "committed",
    "differences",
    "leave_out",
    "make_jobs",
    "open_target",
    "quarantine",
    "read_plan",
    "refuse_differences",
    "write_plan",
]
