"""The chain of a worker: its two engines out of the store, and the implementation that runs them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from augengine.chain import make_chain
from augengine.chain.base import Chain, ChainSpec, Outcome, Request, Translators
from augengine.chain.intermediate import intermediate_rgb
from augengine.chain.pair import EnginesSpec
from augengine.dataset.spec import WorkerSpec
from augengine.engines.gpu_memory import free_bytes
from augengine.engines.store import ENGINES, EngineStore
from augengine.errors import EngineError
from augengine.pictures.arrays import RgbImage
from augengine.shards.layout import OWN_FOLDER
from augengine.storage import AnyPath
from augengine.weights.home import home

_BYTES_A_VALUE = 21
"""Memory of a batch for each 8-bit value that comes out of it, by ``python -m benchmarks.batch_memory``."""

_BATCH_BYTES = 1 << 30

_GPU_BYTES_A_VALUE = 48
"""The same on a GPU, reckoned from the buffers of the chain and of DALI's graph; not yet measured on one.

Noise 4, a ring of three outputs 12, DALI's copy, two sums and casts twice 28, and what tells finite numbers."""

_GPU_SHARE = 0.5
"""Share of the GPU memory that batches may take of what is free once the engines are loaded.

The rest is for the generators' own planes, which are allocated with the first batch."""


class OpenChain(Chain, Protocol):
    """A chain that is ready to run, with all that it needs; closing it closes that too."""

    def between(self, image: RgbImage) -> RgbImage:
        """Draw what is to be shown between a source and its variants: uint8 (H, W, 3) of a uint8 (H, W, 3)."""
        ...


class LoadedChain:
    """A chain with its engines, which it closes with it."""

    def __init__(self, chain: Chain, engines: Translators) -> None:
        self._chain, self._engines = chain, engines
        self.batch, self.depth = chain.batch, chain.depth

    def put(self, requests: Sequence[Request]) -> None:
        """Implement `Chain`."""
        self._chain.put(requests)

    def get(self) -> list[Outcome]:
        """Implement `Chain`."""
        return self._chain.get()

    def between(self, image: RgbImage) -> RgbImage:
        """A' in 8 bits."""
        return intermediate_rgb(self._engines.to_reference, image)

    def close(self) -> None:
        """Close the chain, then its engines."""
        self._chain.close()
        self._engines.close()


def load_chain(worker: WorkerSpec) -> OpenChain:
    """Make the chain, and load its engines if it has any; closing it closes them.

    Raises:
        EngineError: An engine is missing, damaged, or made for another machine.
    """
    if worker.spec.shuffle is None:
        return _load_pair(worker)
    from augengine.chain.shuffle import ShuffleChain  # scikit-image is not everywhere, and few datasets need it

    values = worker.spec.variants * 3 * worker.engines.height * worker.engines.width
    return ShuffleChain(
        worker.spec.shuffle,
        variants=worker.spec.variants,
        max_side=max(worker.engines.height, worker.engines.width),
        batch=cpu_batch(worker.threads, values),
        threads=worker.threads,
    )


def _load_pair(worker: WorkerSpec) -> LoadedChain:
    assert worker.spec.noise is not None
    engines = _load_translators(worker)
    on_gpu = engines.device == "cuda"
    try:
        batch = chain_batch(
            engines,
            worker.spec.variants,
            worker.threads,
            device_id=worker.device_id or 0,
            workers_per_gpu=worker.workers_per_gpu,
        )
        spec = ChainSpec(noise=worker.spec.noise, variants=worker.spec.variants, batch=batch, threads=worker.threads)
        chain = make_chain(worker.engines.chain, engines, spec, device_id=worker.device_id if on_gpu else None)
    except BaseException:
        # The worker tries again for its next shard: engines that nobody closes would pile up.
        engines.close()
        raise
    return LoadedChain(chain, engines)


def chain_batch(
    engines: Translators, variants: int, threads: int, *, device_id: int = 0, workers_per_gpu: int = 1
) -> int:
    """Source images per batch of the chain, as far as all their variants fit into memory.

    Args:
        engines: The chain's two engines, loaded.
        variants: K.
        threads: CPU threads.
        device_id: The GPU's ordinal; ignored on a CPU.
        workers_per_gpu: Workers that share its memory.
    """
    values = variants * 3 * engines.height * engines.width
    if engines.device == "cuda":
        return gpu_batch(engines.to_reference.batch, values, free_bytes(device_id) // workers_per_gpu)
    return cpu_batch(threads, values)


def cpu_batch(threads: int, values: int) -> int:
    """Enough images to keep every thread busy, as far as their variants fit into the memory meant for them.

    Args:
        threads: CPU threads of the engines.
        values: 8-bit values of all variants of an image.
    """
    return max(1, min(max(4, 2 * threads), _BATCH_BYTES // (_BYTES_A_VALUE * values)))


def gpu_batch(engine_batch: int, values: int, free: int) -> int:
    """The engines' own batch, as far as the variants of its images fit into a GPU's memory.

    Args:
        engine_batch: Images a call of the engines.
        values: 8-bit values of all variants of an image.
        free: Bytes that are free on the GPU.
    """
    return max(1, min(engine_batch, int(_GPU_SHARE * free) // (_GPU_BYTES_A_VALUE * values)))


def _load_translators(worker: WorkerSpec) -> Translators:
    """The two engines that a worker's spec names."""
    store = EngineStore(Path(worker.store))
    to_reference, from_reference = (
        store.load(engine_id, threads=worker.threads)
        for engine_id in (worker.engines.to_reference, worker.engines.from_reference)
    )
    return Translators(to_reference=to_reference, from_reference=from_reference)


def find_store(dataset: AnyPath, engines: EnginesSpec) -> EngineStore | None:
    """The store that holds a dataset's engines: the user's, or its own; None if neither does.

    Others may have written the dataset, so only plans are taken from its own store: their ids hold the digest of
    their bytes.
    """
    users = EngineStore(home() / ENGINES)
    own = [EngineStore(dataset / OWN_FOLDER / ENGINES)] if isinstance(dataset, Path) else []
    for store in (users, *own):
        with suppress(EngineError):
            pair = store.get(engines.to_reference), store.get(engines.from_reference)
            if store is users or all(engine.manifest.plan_digest for engine in pair):
                return store
    return None
