"""The plan of a dataset, the jobs in it, and the folder it is made in."""

from augengine.plan.hold import Fence, Hold
from augengine.plan.jobs import make_jobs
from augengine.plan.mixed import begun_plan
from augengine.plan.plan import (
    Plan,
    check_growing_plan,
    check_plan,
    committed,
    differences,
    read_any_plan,
    read_plan,
    refuse_differences,
    write_plan,
)
from augengine.plan.quarantine import forget, leave_out, quarantine, remembered
from augengine.plan.target import Owner, lock_holder, open_target

__all__ = [
    "Fence",
    "Hold",
    "Owner",
    "Plan",
    "begun_plan",
    "check_growing_plan",
    "check_plan",
    "committed",
    "differences",
    "forget",
    "leave_out",
    "lock_holder",
    "make_jobs",
    "open_target",
    "quarantine",
    "read_any_plan",
    "read_plan",
    "refuse_differences",
    "remembered",
    "write_plan",
]
