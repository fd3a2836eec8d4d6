"""The chain of a worker: its two engines out of the store, and the implementation that runs them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from augengine.cards import home
from augengine.chain import make_chain
from augengine.chain.base import Chain, ChainSpec, Translators
from augengine.engines.store import EngineStore
from augengine.errors import EngineError
from augengine.job.spec import EnginesSpec, WorkerSpec
from augengine.shards.layout import OWN_FOLDER


def load_chain(worker: WorkerSpec) -> Chain:
    """Load the engines and make the chain.

    Raises:
        EngineError: An engine is missing, damaged, or made for another machine.
    """
    engines = load_translators(worker)
    on_gpu = engines.to_reference.device == "cuda"
    # On a CPU a batch only has to keep every thread busy; on a GPU it is the engine's own.
    batch = engines.to_reference.batch if on_gpu else max(4, 2 * worker.threads)
    spec = ChainSpec(noise=worker.spec.noise, variants=worker.spec.variants, batch=batch, threads=worker.threads)
    return make_chain(worker.engines.chain, engines, spec, device_id=worker.device_id if on_gpu else None)


def load_translators(worker: WorkerSpec) -> Translators:
    """The two engines that a worker's spec names."""
    store = EngineStore(Path(worker.store))
    to_reference, from_reference = (
        store.load(engine_id, threads=worker.threads)
        for engine_id in (worker.engines.to_reference, worker.engines.from_reference)
    )
    return Translators(to_reference=to_reference, from_reference=from_reference)


def find_store(dataset: Path, engines: EnginesSpec) -> EngineStore | None:
    """The store that holds a dataset's engines: its own, or the user's; None if neither does."""
    for store in (EngineStore(dataset / OWN_FOLDER / "engines"), EngineStore(home() / "engines")):
        with suppress(EngineError):
            store.get(engines.to_reference)
            store.get(engines.from_reference)
            return store
    return None
