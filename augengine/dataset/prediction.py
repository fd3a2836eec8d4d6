"""What a run would make, and how long it would take; nothing is written."""

from __future__ import annotations

from augengine.chain.pair import EnginesSpec
from augengine.compiling import seconds_a_pass
from augengine.dataset.engines import find_engines
from augengine.dataset.outcome import Prediction
from augengine.dataset.planning import make_plan
from augengine.dataset.request import AugmentRequest
from augengine.dataset.resolve import resolve
from augengine.dataset.resolved import PairRun, Run
from augengine.dataset.shuffling import seconds_a_sample, shuffling
from augengine.progress import Watcher


def predict(request: AugmentRequest, watcher: Watcher) -> Prediction:
    """What a run would make, its time from one measured pass; the target is not touched."""
    run = resolve(request, watcher)
    engines, seconds = _timed(run, watcher)
    plan = make_plan(run, engines)
    return Prediction(
        samples_in=plan.samples,
        samples_out=plan.samples * (run.spec.variants + run.spec.include_source),
        shards=len(plan.jobs),
        gigabytes=plan.estimated_bytes / 1e9,
        minutes=plan.samples * seconds / 60,
        engines=f"{engines.backend}, {engines.precision}" if engines.runs_pair else engines.in_words,
        gated=bool(run.spec.gate and run.spec.gate.least),
        notes=run.notes,
    )


def _timed(run: Run, watcher: Watcher) -> tuple[EnginesSpec, float]:
    """What would run, and the seconds that it takes for a source and its variants."""
    if not isinstance(run, PairRun):
        return shuffling(run), seconds_a_sample(run)
    store, engines = find_engines(run, None, watcher)
    return engines, (1 + run.spec.variants) * seconds_a_pass(store, engines.to_reference)
