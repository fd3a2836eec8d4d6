"""What a run would make, and how long it would take; nothing is written."""

from __future__ import annotations

from augengine.compiling import seconds_a_pass
from augengine.dataset.engines import find_engines
from augengine.dataset.outcome import Prediction
from augengine.dataset.planning import make_plan
from augengine.dataset.request import AugmentRequest
from augengine.dataset.resolve import resolve
from augengine.progress import Watcher


def predict(request: AugmentRequest, watcher: Watcher) -> Prediction:
    """What a run would make, its time from one measured pass; the target is not touched."""
    run = resolve(request, watcher)
    store, engines = find_engines(run, None, watcher)
    plan = make_plan(run, engines)
    passes = plan.samples * (1 + run.spec.variants)
    return Prediction(
        samples_in=plan.samples,
        samples_out=plan.samples * (run.spec.variants + run.spec.include_source),
        shards=len(plan.jobs),
        gigabytes=plan.estimated_bytes / 1e9,
        minutes=passes * seconds_a_pass(store, engines.to_reference) / 60,
        engines=f"{engines.backend}, {engines.precision}",
        gated=bool(run.spec.gate and run.spec.gate.least),
        notes=run.notes,
    )
