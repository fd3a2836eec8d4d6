"""A run: its plan and lock, what is missing, the accounts of what became of every sample, and one outcome."""

from augengine.runs.account import Account, Loss, ShardAccount, take_account
from augengine.runs.binding import binds, check_growing_plan, check_plan, holds_samples
from augengine.runs.differences import differences
from augengine.runs.missing import Crew, survives
from augengine.runs.outcome import Outcome
from augengine.runs.plan import Plan, committed, read_any_plan, read_plan, write_plan
from augengine.runs.planning import make_jobs
from augengine.runs.quarantine import forget, leave_out, quarantine, remembered
from augengine.runs.retry import Retry, choose_retry
from augengine.runs.run import carry_out
from augengine.runs.status import Status, read_status
from augengine.runs.target import Owner, lock_holder, open_target
from augengine.runs.target_hold import Hold

__all__ = [
    "Account",
    "Crew",
    "Hold",
    "Loss",
    "Outcome",
    "Owner",
    "Plan",
    "Retry",
    "ShardAccount",
    "Status",
    "binds",
    "carry_out",
    "check_growing_plan",
    "check_plan",
    "choose_retry",
    "committed",
    "differences",
    "forget",
    "holds_samples",
    "leave_out",
    "lock_holder",
    "make_jobs",
    "open_target",
    "quarantine",
    "read_any_plan",
    "read_plan",
    "read_status",
    "remembered",
    "survives",
    "take_account",
    "write_plan",
]
