"""Engines on disk: found by what they were made from, built when missing, refused when they do not fit the machine.

``{root}/{engine id}/manifest.json`` beside the engine's files; ``{root}/budgets`` holds the noise budgets of pairs.
A folder appears under its final name only when it is complete.
"""

from __future__ import annotations

import errno
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from augengine.engines.backends import backends
from augengine.engines.base import Backend, Engine, EngineSpec, Manifest
from augengine.engines.engine_folder import (
    REBUILD,
    StoredEngine,
    engine_id,
    file_digest,
    read_engine,
    read_manifest,
    translated,
    write_manifest,
)
from augengine.engines.fidelity import Budget
from augengine.errors import BackendUnavailable, EngineError, SpecError, WrongDevice
from augengine.json_values import parse_json, to_json
from augengine.storage import MAX_RECORD_BYTES, read_plain
from augengine.storage.atomic import draft_of
from augengine.weights.home import open_home

ENGINES = "engines"
"""Name of the folder of engines in a home, and in a dataset's own folder."""

RecordT = TypeVar("RecordT")

_BUDGETS = "budgets"
_BUILDING = ".building-"
_ABANDONED_S = 86_400.0


class EngineStore:
    """Engines under a folder, ``$AUGENGINE_HOME/engines`` or a dataset's own.

    Several processes may use it at once.

    Args:
        root: The folder; it is made when something is built.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, weights_digest: str, backend: Backend, spec: EngineSpec) -> StoredEngine | None:
        """A sound engine of these weights for this machine, or None. Damaged ones are passed over."""
        wanted = _manifest(weights_digest, backend, spec)
        for folder in sorted(self.root.glob("*/")):
            with suppress(EngineError):
                if replace(read_manifest(folder).manifest, plan_digest="") == wanted:
                    return read_engine(folder)
        return None

    def build(self, onnx_file: Path, backend: Backend, spec: EngineSpec) -> StoredEngine:
        """Compile a generator and put it into the store.

        Args:
            onnx_file: The stored form.
            backend: Compiles it.
            spec: Precision and static shape.

        Raises:
            BackendUnavailable: The backend's package is missing.
            EngineError: The compiler refused it, or the store cannot be written.
            WeightsError: The ONNX file cannot be read.
        """
        with self._building() as folder, translated(self.root):
            plan_digest = backend.build(onnx_file, spec, folder)
            manifest = _manifest(file_digest(onnx_file), backend, spec, plan_digest)
            write_manifest(folder, manifest)
            return self._publish(folder, manifest)

    def get_or_build(self, onnx_file: Path, backend: Backend, spec: EngineSpec) -> StoredEngine:
        """The engine from the store, compiled first if it is missing or damaged; errors as in `build`."""
        found = self.find(file_digest(onnx_file), backend, spec)
        return found or self.build(onnx_file, backend, spec)

    def adopt(self, stored: StoredEngine) -> StoredEngine:
        """Copy an engine of another store into this one, so that a dataset keeps what it was made with."""
        with self._building() as folder, translated(self.root):
            shutil.copytree(stored.folder, folder, dirs_exist_ok=True)
            return self._publish(folder, read_engine(folder, engine=stored.id).manifest)

    def get(self, engine: str) -> StoredEngine:
        """The engine of this id.

        Raises:
            EngineError: Not there, incomplete or damaged.
        """
        folder = self.root / engine
        if not engine or Path(engine).name != engine or not folder.is_dir():
            raise EngineError(f"no engine {engine!r} in {self.root}", hint=REBUILD)
        return read_engine(folder)

    def check(self, engine: str) -> tuple[StoredEngine, Backend]:
        """An engine that this machine can load, and what loads it; nothing is loaded yet.

        Raises:
            EngineError: Not there, damaged, or of an unknown backend.
            WrongDevice: Made for another kind of machine, or by another version.
            BackendUnavailable: Its backend's package is missing.
        """
        stored = self.get(engine)
        name = stored.manifest.backend
        backend = next((backend for backend in backends() if backend.name == name), None)
        if backend is None:
            raise EngineError(f"the engine {engine} is of the unknown backend {name!r}", hint=REBUILD)
        if reason := backend.why_unavailable():
            raise BackendUnavailable(f"the engine {engine} needs {name}: {reason}", hint=REBUILD)
        _check_machine(stored, backend)
        return stored, backend

    def load(self, engine: str, *, threads: int) -> Engine:
        """Load an engine by its id; errors as in `check`.

        Args:
            engine: Its id.
            threads: CPU threads it may use; ignored on a GPU.
        """
        stored, backend = self.check(engine)
        return backend.load(stored.folder, stored.manifest, threads=threads)

    def write_budget(self, to_id: str, from_id: str, budget: Budget) -> None:
        """Keep the noise budget of a pair of engines; errors as in `write_record`."""
        self.write_record(_BUDGETS, f"{to_id}-{from_id}", budget)

    def read_budget(self, to_id: str, from_id: str) -> Budget | None:
        """The noise budget of a pair of engines, or None if none was measured or its file is damaged."""
        return self.read_record(Budget.from_json, _BUDGETS, f"{to_id}-{from_id}")

    def write_record(self, folder: str, name: str, value: Any) -> None:
        """Keep what was measured, a dataclass, beside the engines.

        Raises:
            EngineError: The store cannot be written.
        """
        file = self.root / folder / f"{name}.json"
        with translated(self.root), draft_of(file) as draft:
            draft.write_text(json.dumps(to_json(value), indent=2), encoding="utf-8")

    def keep_budget(self, to_id: str, from_id: str, budget: Budget) -> None:
        """Keep a noise budget if the store can be written; else it is measured again at the next run."""
        self.keep_record(_BUDGETS, f"{to_id}-{from_id}", budget)

    def keep_record(self, folder: str, name: str, value: Any) -> None:
        """Keep what was measured if the store can be written; else it is measured again at the next run."""
        with suppress(EngineError):
            self.write_record(folder, name, value)

    def read_record(self, reader: Callable[[Any], RecordT], folder: str, name: str) -> RecordT | None:
        """What `write_record` kept, as ``reader`` makes it of plain json; None if there is none, or it is damaged."""
        try:
            return reader(parse_json(read_plain(self.root / folder / f"{name}.json", limit=MAX_RECORD_BYTES)))
        except (OSError, SpecError):
            return None

    @contextmanager
    def _building(self) -> Iterator[Path]:
        """A new folder beside the final ones; whatever is left in it at the end is removed."""
        with translated(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            (folder := _unique(self.root)).mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what builders that were killed left behind; a build takes minutes, never a day."""
        for folder in self.root.glob(f"{_BUILDING}*/"):
            with suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(folder, ignore_errors=True)

    def _publish(self, folder: Path, manifest: Manifest) -> StoredEngine:
        """Rename a complete folder to its id. If another builder was first, theirs stays, unless it is damaged."""
        final = self.root / engine_id(manifest)
        while not _renamed(folder, final):
            if theirs := _sound(final):
                return theirs
            self._clear(final)
        return StoredEngine(id=final.name, folder=final, manifest=manifest)

    def _clear(self, final: Path) -> None:
        """Remove a damaged engine; a sound one goes back, for another builder may have mended it by now."""
        aside = _unique(self.root)
        with suppress(FileNotFoundError):
            final.rename(aside)
        if _sound(aside, engine=final.name):
            _renamed(aside, final)
        shutil.rmtree(aside, ignore_errors=True)


def own_store() -> EngineStore:
    """The user's own engines: the folder ``engines`` of `augengine.weights.home.open_home`.

    Raises:
        SpecError: Another version of augengine made that home, in another format.
    """
    return EngineStore(open_home() / ENGINES)


def _unique(folder: Path) -> Path:
    # Not by `tempfile`, whose folders nobody else may read: a store may be shared.
    return folder / f"{_BUILDING}{uuid.uuid4().hex}"


def _renamed(folder: Path, final: Path) -> bool:
    try:
        folder.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _sound(folder: Path, *, engine: str = "") -> StoredEngine | None:
    with suppress(EngineError):
        return read_engine(folder, engine=engine)
    return None


def _manifest(weights_digest: str, backend: Backend, spec: EngineSpec, plan_digest: str = "") -> Manifest:
    return Manifest(
        weights_digest=weights_digest,
        backend=backend.name,
        backend_version=backend.version(),
        device_class=backend.device_class(),
        spec=spec,
        plan_digest=plan_digest,
    )


def _check_machine(stored: StoredEngine, backend: Backend) -> None:
    made, here = stored.manifest, (backend.device_class(), backend.version())
    if (made.device_class, made.backend_version) != here:
        raise WrongDevice(
            f"the engine {stored.id} was made for {made.device_class} by {made.backend_version}, "
            f"this machine is {here[0]} with {here[1]}",
            hint="its results would have other bits here; " + REBUILD,
        )
