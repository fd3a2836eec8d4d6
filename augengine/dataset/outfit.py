"""What a node of a cluster needs before a worker can start there: weights by digest, engines built or copied once."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Self, cast

from augengine.chain.pair import EnginesSpec
from augengine.compiling import engine_spec
from augengine.dataset.spec import WorkerSpec
from augengine.digests import bytes_digest
from augengine.engines.backends import pick_backend
from augengine.engines.base import Backend
from augengine.engines.engine_folder import StoredEngine
from augengine.engines.store import EngineStore, own_store
from augengine.errors import EngineError, WeightsError, WrongDevice
from augengine.pictures.encode import encoder_version
from augengine.spec import BackendName
from augengine.storage.atomic import draft_of
from augengine.weights.cards import DIRECTIONS, WeightsPair
from augengine.weights.home import open_home

Fetch = Callable[[str], bytes]
"""Gives the bytes of the file with this digest, from the driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOutfit:
    """The engines of a run, as each node makes or copies them.

    Attributes:
        backend: Name of the backend.
        files: The generators on the driver's machine: digest -> file.
        reads: None but the source.
    """

    backend: str
    files: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()

    @classmethod
    def of(cls, weights: WeightsPair, engines: EnginesSpec) -> Self:
        """What each node needs for these engines of this pair."""
        files = {weights.digests[each]: str(weights.path(each).absolute()) for each in DIRECTIONS}
        return cls(backend=engines.backend, files=files)

    def machine(self) -> str:
        """Everything about this machine that decides bytes: its class, and the versions that run and encode."""
        backend = _backend(self.backend)
        own = f"augengine {version('augengine')}"
        return f"{backend.device_class()}, {own}, {backend.version()}, {encoder_version()}"

    def fit(self, worker: WorkerSpec, fetch: Fetch) -> WorkerSpec:
        """The worker's spec with this node's own store, which holds its engines afterwards.

        Several workers of a node may ask at once: one builds, the others wait for it.

        Args:
            worker: The worker's spec with the driver's store.
            fetch: Brings weights that this node lacks.

        Raises:
            WrongDevice: This machine makes other engines than the run's.
            WeightsError: Weights arrived damaged, or cannot be written.
            EngineError: An engine cannot be built.
        """
        own = own_store()
        with _one_at_a_time(own.root):
            pair = [self._engine(own, worker, index, fetch) for index in (0, 1)]
        engines = replace(worker.engines, to_reference=pair[0].id, from_reference=pair[1].id)
        if engines != worker.engines:
            raise WrongDevice(
                f"this node ({self.machine()}) makes other engines than the run's",
                hint="use nodes of one kind and versions",
            )
        return replace(worker, store=str(own.root), engines=engines)

    def _engine(self, own: EngineStore, worker: WorkerSpec, index: int, fetch: Fetch) -> StoredEngine:
        engines = worker.engines
        wanted = (engines.to_reference, engines.from_reference)[index]
        if (stored := self._as_planned(own, worker, wanted)) is not None:
            return stored
        backend, weights = _backend(self.backend), engines.weights[index]
        assert engines.precision
        spec = engine_spec(backend, engines.precision, (engines.height, engines.width), engines.int8, index)
        return own.find(weights, backend, spec) or own.build(_weights(weights, fetch), backend, spec)

    def _as_planned(self, own: EngineStore, worker: WorkerSpec, wanted: str) -> StoredEngine | None:
        """The very engine of the plan: this node's, or the one that the dataset carries (TensorRT), copied."""
        dataset = [EngineStore(Path(worker.store))] if Path(worker.store).is_relative_to(worker.target) else []
        for store in (own, *dataset):
            with suppress(EngineError):
                stored, _ = store.check(wanted)
                if store is own:
                    return stored
                if stored.manifest.plan_digest:  # then its id vouches for its bytes, whoever wrote the dataset
                    return own.adopt(stored)
        return None


def _backend(name: str) -> Backend:
    return pick_backend(cast(BackendName, name))


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".fitting").open("w") as guard:
        with suppress(OSError):  # some network filesystems know no flock: then two may build, and one is kept
            fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _weights(digest: str, fetch: Fetch) -> Path:
    """The generator with this digest in this node's own store; fetched if it is missing or damaged."""
    file = open_home() / "weights" / "digests" / f"{digest}.onnx"
    try:
        if not file.is_file() or bytes_digest(file.read_bytes()) != digest:
            with draft_of(file) as draft:
                draft.write_bytes(_checked(fetch(digest), digest))
    except OSError as error:
        hint = "AUGENGINE_HOME on the node must be a folder with room"
        raise WeightsError(f"cannot keep weights in {file.parent}: {error.strerror}", hint=hint) from error
    return file


def _checked(data: bytes, digest: str) -> bytes:
    if bytes_digest(data) != digest:
        raise WeightsError(f"the weights {digest} arrived damaged: their digest differs", hint="run it again")
    return data
