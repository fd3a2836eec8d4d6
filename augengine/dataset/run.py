"""A whole run: a dataset made, or gone on with where an earlier run stopped."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from augengine.dataset.check import odd_classes
from augengine.dataset.crew import make_crew, shares
from augengine.dataset.outcome import Summary
from augengine.dataset.planning import make_plan
from augengine.dataset.preparing import follow_plan, prepare
from augengine.dataset.reopen import planned_engines
from augengine.dataset.request import AugmentRequest
from augengine.dataset.resolve import resolve
from augengine.dataset.resolved import Run
from augengine.progress import LogWatcher, Watcher
from augengine.runs import (
    Retry,
    carry_out,
    check_plan,
    choose_retry,
    holds_samples,
    open_target,
    read_plan,
    survives,
)
from augengine.spec import asked


def augment(request: AugmentRequest | None = None, watcher: Watcher | None = None, **options: Any) -> Summary:
    """Make a dataset, or go on with one.

    Args:
        request: What to do; or its fields as keywords: ``augment(stain="cd68", source="tiles/", out="shards/")``.
        watcher: Who follows the run; None logs notes and warnings.
        options: The fields of an `AugmentRequest`, without ``request``.

    Raises:
        AugengineError: The request is refused, or the target cannot be written; finished shards stay.
    """
    request = asked(AugmentRequest, request, options)
    watcher = watcher or LogWatcher()
    run = resolve(request, watcher)
    with open_target(request.out) as hold:
        before = read_plan(request.out)
        begun = before is not None and holds_samples(request.out, before)
        planned = planned_engines(request.out, before) if before is not None and begun else None
        run = follow_plan(run, planned)
        safe = survives(shares(run)[0], request.ray_address)
        retry = choose_retry(request.out, before, asked=request.retry_failed, survives=safe)
        ready = prepare(run, planned, watcher)
        plan = make_plan(run, ready.engines)
        if not check_plan(request.out, plan, may_change=retry.outputs):
            retry = Retry()
        ready = ready.kept_in(request.out)
        outcome = carry_out(
            request.out,
            plan,
            make_crew(run, ready, hold),
            retry,
            hold,
            watcher,
            about={"verdict": ready.verdict, "command": _command(run)},
            notes=run.notes,
            look=partial(odd_classes, spec=run.spec),
        )
    return Summary(outcome=outcome, engines=ready.engines, verdict=ready.verdict)


def _command(run: Run) -> str:
    """The command that makes the same dataset, with the threshold that was found."""
    shuffle = run.spec.shuffle
    request = run.request if shuffle is None else replace(run.request, marker_threshold=shuffle.threshold)
    return request.command()
