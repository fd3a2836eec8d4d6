"""Plans that machines of several classes may work on."""

from __future__ import annotations

from dataclasses import replace

from augengine.runs.plan import Kind, Plan, committed, read_plan, write_plan
from augengine.storage import AnyPath


def begun_plan(folder: AnyPath, kind: Kind = "augment", *, allow_mixed: bool) -> Plan | None:
    """The plan of an earlier run. One that committed nothing (refused for mixed machines) may still become mixed.

    Args:
        folder: The dataset, locked by us.
        kind: What makes it.
        allow_mixed: Whether that is asked for.

    Raises:
        PlanMismatch, ShardError: See `read_plan`.
        TargetError: It cannot be written.
    """
    plan = read_plan(folder, kind)
    if plan is None or not allow_mixed or committed(folder, plan):
        return plan
    mixed = replace(plan, engines={**plan.engines, "mixed": True})
    write_plan(folder, mixed)
    return mixed
