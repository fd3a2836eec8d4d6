"""Which engines a run uses: those of its plan if the dataset has one, else the fastest within the noise budget."""

from __future__ import annotations

from dataclasses import replace

from augengine.chain.pair import EnginesSpec
from augengine.compiling import BuiltPair, build_pair, build_pairs, choose_pair
from augengine.dataset.load import find_store
from augengine.dataset.resolved import PairRun
from augengine.engines.store import ENGINES, EngineStore, own_store
from augengine.errors import PlanMismatch, WrongDevice
from augengine.progress import Watcher
from augengine.shards.layout import OWN_FOLDER
from augengine.storage import AnyPath, UrlPath


def find_engines(run: PairRun, planned: EnginesSpec | None, watcher: Watcher) -> tuple[EngineStore, EnginesSpec]:
    """The engines, and the store they are in; missing ones are compiled, with a line that says so.

    Args:
        run: What is to be made.
        planned: What the dataset's plan names, if it has one.
        watcher: Told what takes a while.

    Raises:
        PlanMismatch: The request names other weights or another precision than the plan.
        WrongDevice: The plan's engines belong to another kind of machine.
        EngineError: One is missing and may not be compiled, or cannot be.
    """
    if planned is not None:
        return _resume(run, planned, watcher)
    store = own_store()
    chosen = choose_pair(_built(run, store, watcher), run.spec.eps, run.request.precision)
    engines = replace(chosen, chain=run.request.chain)
    watcher.note(f"engines: {engines.backend}, {engines.precision} ({engines.why})")
    return store, engines


def keep_plans(store: EngineStore, engines: EnginesSpec, folder: AnyPath) -> EngineStore:
    """Copy engines whose rebuild would have other bits (TensorRT) into the dataset, and use them from there."""
    if isinstance(folder, UrlPath):
        return store  # engines are loaded from disks
    own = EngineStore(folder / OWN_FOLDER / ENGINES)
    if store.root == own.root or not store.get(engines.to_reference).manifest.plan_digest:
        return store
    for engine in (engines.to_reference, engines.from_reference):
        own.adopt(store.get(engine))
    return own


def _built(run: PairRun, store: EngineStore, watcher: Watcher) -> list[BuiltPair]:
    height, width = run.size
    precision = run.request.precision
    return build_pairs(
        run.weights,
        run.backend,
        store,
        height=height,
        width=width,
        tiles=run.tiles,
        eps=run.spec.eps,
        precisions=None if precision is None else (precision,),
        may_build=not run.request.no_build,
        on_note=watcher.note,
    )


def _resume(run: PairRun, planned: EnginesSpec, watcher: Watcher) -> tuple[EngineStore, EnginesSpec]:
    if store := find_store(run.request.out, planned):
        for engine in (planned.to_reference, planned.from_reference):
            store.check(engine)
        return store, planned
    store = own_store()
    assert planned.precision
    note = None if run.request.no_build else watcher.note
    built = build_pair(run.weights, run.backend, store, planned.precision, run.size, note, planned.int8)
    if (planned.to_reference, planned.from_reference) != (built.to_reference, built.from_reference):
        raise WrongDevice(
            f"the dataset in {run.request.out} was begun with engines that this machine does not make",
            hint="go on with it on a machine of the same kind and versions, or start in another folder",
        )
    return store, planned


def check_request(run: PairRun, planned: EnginesSpec) -> None:
    """Refuse a request that names other engines than a dataset was begun with.

    Raises:
        PlanMismatch: Another backend, precision or chain, or other generators.
    """
    wanted = run.request.precision
    if wanted is not None and wanted != planned.precision:
        raise PlanMismatch(
            f"the dataset in {run.request.out} was begun in {planned.precision}, now {wanted} is asked for",
            hint="leave out --precision, or choose another folder",
        )
    if run.request.backend not in ("auto", planned.backend):
        raise PlanMismatch(
            f"the dataset in {run.request.out} was begun with the backend {planned.backend}, "
            f"now {run.request.backend} is asked for",
            hint="leave out --backend, or choose another folder",
        )
    if run.request.chain != planned.chain:
        raise PlanMismatch(
            f"the dataset in {run.request.out} was begun with the chain {planned.chain}, now it is {run.request.chain}",
            hint=f"--chain {planned.chain}, or choose another folder",
        )
    if (run.weights.digests["to-reference"], run.weights.digests["from-reference"]) != planned.weights:
        raise PlanMismatch(
            f"the dataset in {run.request.out} was begun with other generators for {run.spec.stain}",
            hint="name their folder with --weights, or choose another folder for the output",
        )
