"""A whole run: a dataset made, or gone on with where an earlier run stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from augengine.chain.pair import EnginesSpec
from augengine.compiling import seconds_a_pass
from augengine.dataset.engines import check_request, find_engines, keep_plans
from augengine.dataset.outcome import Prediction, Summary
from augengine.dataset.outfit import EngineOutfit
from augengine.dataset.reopen import planned_engines
from augengine.dataset.request import AugmentRequest
from augengine.dataset.resolve import Run, resolve
from augengine.dataset.spec import WorkerSpec
from augengine.dataset.worker import Worker
from augengine.engines.backends import BackendName, pick_backend
from augengine.engines.driver import gpu_count
from augengine.engines.store import EngineStore
from augengine.errors import SpecError
from augengine.machine import cpu_threads
from augengine.pictures.encode import encoder_version
from augengine.progress import Watcher
from augengine.runs import Crew, Hold, Plan, carry_out, check_plan, choose_retry, open_target, read_plan, survives
from augengine.shards.write import target_errors
from augengine.storage import Access
from augengine.weights.cards import DIRECTIONS


def augment(request: AugmentRequest, watcher: Watcher) -> Summary:
    """Make a dataset, or go on with one.

    Raises:
        AugengineError: The request is refused, or the target cannot be written; finished shards stay.
    """
    run = resolve(request, watcher)
    with open_target(request.out) as hold:
        before = read_plan(request.out)
        planned = None if before is None else planned_engines(request.out, before)
        if planned is not None:
            check_request(run, planned)
            run = replace(run, backend=pick_backend(cast(BackendName, planned.backend)))
        store, engines = find_engines(run, planned, watcher)
        plan = make_plan(run, engines)
        safe = survives(_shares(run)[0], request.ray_address)
        retry = choose_retry(request.out, before, asked=request.retry_failed, survives=safe)
        check_plan(request.out, plan, may_change=retry.outputs)
        with target_errors(request.out):
            store = keep_plans(store, engines, request.out)
        crew = _crew(run, engines, store, hold)
        outcome = carry_out(request.out, plan, crew, retry, hold, watcher)
    return Summary(outcome=outcome, engines=engines)


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
    )


def make_plan(run: Run, engines: EnginesSpec) -> Plan:
    """The plan of a run: equal for an equal request on an equal input, so that it can be gone on with."""
    return Plan(
        spec=run.spec.to_json(),
        source=run.source.to_json(),
        engines=engines.to_json(),
        encoder=encoder_version(),
        jobs=run.jobs,
    )


def _crew(run: Run, engines: EnginesSpec, store: EngineStore, hold: Hold) -> Crew:
    workers, threads = _shares(run)
    return Crew(
        worker=replace(worker_spec(run, engines, store, threads), fence=hold.fence),
        start=Worker,
        workers=workers,
        address=run.request.ray_address,
        outfit=engine_outfit(run, engines),
    )


def engine_outfit(run: Run, engines: EnginesSpec) -> EngineOutfit:
    """What each node of a joined cluster needs for these engines."""
    files = {run.weights.digests[each]: str(run.weights.path(each).absolute()) for each in DIRECTIONS}
    return EngineOutfit(backend=engines.backend, files=files)


def worker_spec(run: Run, engines: EnginesSpec, store: EngineStore, threads: int) -> WorkerSpec:
    """What every worker of a run does; ``threads`` are one worker's share."""
    return WorkerSpec(
        target=str(run.request.out.absolute()),
        spec=run.spec,
        source=run.source.to_json(),
        engines=engines,
        store=str(store.root.absolute()),
        threads=threads,
        device_id=0 if _on_gpu(run) else None,
        max_side=run.request.max_side,
        access=Access.of_environment(run.request.out, run.request.source, run.request.masks),
    )


def _shares(run: Run) -> tuple[int | None, int]:
    """How many workers, and the CPU threads of each: one a GPU; on a CPU one worker uses every core best."""
    workers = run.request.workers
    if run.request.ray_address is not None:
        return workers, 1  # the cluster's nodes say how many fit, and their threads
    if workers is None:
        workers = gpu_count() if _on_gpu(run) else 1
    if _on_gpu(run) and workers > gpu_count():
        raise SpecError(f"{workers} workers, but {gpu_count()} GPUs", hint="one worker a GPU: --workers auto")
    return workers, max(1, cpu_threads() // workers)


def _on_gpu(run: Run) -> bool:
    return run.backend.device_class().startswith("cuda")
