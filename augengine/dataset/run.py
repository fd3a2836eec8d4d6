"""A whole run: a dataset made, or gone on with where an earlier run stopped."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, cast

from augengine.dataset.check import unmet_classes
from augengine.dataset.crew import make_crew, shares
from augengine.dataset.engines import check_request, find_engines, keep_plans
from augengine.dataset.outcome import Summary
from augengine.dataset.pair_check import check_pair, verdict_of
from augengine.dataset.planning import make_plan
from augengine.dataset.reopen import planned_engines
from augengine.dataset.request import AugmentRequest
from augengine.dataset.resolve import resolve
from augengine.engines.backends import pick_backend
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
from augengine.shards.write import target_errors
from augengine.spec import BackendName, asked


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
        if planned is not None:
            check_request(run, planned)
            run = replace(run, backend=pick_backend(cast(BackendName, planned.backend)))
        verdict = verdict_of(request.out)
        if planned is None and (found := check_pair(run, watcher)) is not None:
            run = replace(run, verdict=found)
            verdict = run.verdict_json
        safe = survives(shares(run)[0], request.ray_address)
        retry = choose_retry(request.out, before, asked=request.retry_failed, survives=safe)
        store, engines = find_engines(run, planned, watcher)
        plan = make_plan(run, engines)
        if not check_plan(request.out, plan, may_change=retry.outputs):
            retry = Retry()
        with target_errors(request.out):
            store = keep_plans(store, engines, request.out)
        crew = make_crew(run, engines, store, hold)
        outcome = carry_out(
            request.out,
            plan,
            crew,
            retry,
            hold,
            watcher,
            about={"verdict": verdict, "command": request.command()},
            notes=run.notes,
            look=partial(unmet_classes, spec=run.spec),
        )
    return Summary(outcome=outcome, engines=engines, verdict=verdict)
