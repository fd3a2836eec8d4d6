"""The folder of one engine: its manifest, and the digests that tell whether its files are whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from augengine.digests import json_digest
from augengine.engines.base import Manifest
from augengine.errors import EngineError, SpecError
from augengine.json_values import from_json, parse_json, to_json
from augengine.storage import MAX_RECORD_BYTES, open_plain, read_plain

_MANIFEST = "manifest.json"
REBUILD = "build it again: augengine build-engines"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEngine:
    """A complete engine in a store.

    Attributes:
        id: Digest of the manifest.
        folder: Where its files lie.
        manifest: What it was made from.
    """

    id: str
    folder: Path
    manifest: Manifest


def engine_id(manifest: Manifest) -> str:
    """The digest that names an engine: equal for equal weights, backend, machine, shape and plan."""
    return json_digest(_without_int8(to_json(manifest)))


def _without_int8(said: dict[str, Any]) -> dict[str, Any]:
    """A manifest that says nothing of int8 where there is none: as versions before it wrote, and name, engines."""
    if said["spec"]["int8"] is None:
        del said["spec"]["int8"]
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFile:
    """The file of a manifest.

    Attributes:
        manifest: What the engine was made from.
        files: Name of every other file in the folder -> its digest.

    Raises:
        SpecError: A name leads out of the folder.
    """

    manifest: Manifest
    files: Mapping[str, str]

    def __post_init__(self) -> None:
        if odd := [name for name in self.files if name in ("", ".", "..") or Path(name).name != name]:
            raise SpecError(f"a file of an engine lies in its folder, got {odd[0][:80]!r}")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest beside an engine's files, with the digest of each.

    Raises:
        EngineError: A file cannot be read, or the folder cannot be written.
    """
    files = {file.name: file_digest(file) for file in sorted(folder.iterdir())}
    with translated(folder):
        said = to_json(ManifestFile(manifest=manifest, files=files))
        text = json.dumps(said | {"manifest": _without_int8(said["manifest"])}, indent=2)
        (folder / _MANIFEST).write_text(text, encoding="utf-8")


def read_engine(folder: Path, *, engine: str = "") -> StoredEngine:
    """Read an engine's folder and check it: its id (its name, unless given) and the digest of every file.

    Raises:
        EngineError: It is damaged, or another engine's.
    """
    stored = read_manifest(folder)
    manifest, files = stored.manifest, stored.files
    if engine_id(manifest) != (engine or folder.name):
        raise EngineError(f"the manifest in {folder} belongs to another engine", hint=f"delete it and {REBUILD}")
    for name, expected in files.items():
        if file_digest(folder / name) != expected:
            raise EngineError(f"{folder / name} is damaged: its digest differs", hint=f"delete it and {REBUILD}")
    if manifest.plan_digest and manifest.plan_digest not in files.values():
        raise EngineError(f"{folder} lacks the plan that its id names", hint=f"delete it and {REBUILD}")
    return StoredEngine(id=engine_id(manifest), folder=folder, manifest=manifest)


def read_manifest(folder: Path) -> ManifestFile:
    """Read an engine's manifest; its files are not looked at.

    Raises:
        EngineError: It is missing or damaged.
    """
    file = folder / _MANIFEST
    try:
        return from_json(ManifestFile, parse_json(read_plain(file, limit=MAX_RECORD_BYTES)))
    except (OSError, SpecError) as error:
        raise EngineError(f"{file} cannot be read: {error}", hint=f"delete {folder} and {REBUILD}") from error


def file_digest(file: Path) -> str:
    """The digest of a file as `augengine.digests.bytes_digest` makes it, read in pieces.

    Raises:
        EngineError: It cannot be read, or is no plain file.
    """
    try:
        with open_plain(file) as stream:
            return hashlib.file_digest(cast(Any, stream), partial(hashlib.blake2b, digest_size=16)).hexdigest()
    except OSError as error:
        raise EngineError(f"cannot read {file}: {error.strerror or error}", hint=REBUILD) from error


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Turn what the system says of a folder that cannot be written into an `EngineError`."""
    try:
        yield
    except OSError as error:
        hint = f"choose another place with AUGENGINE_HOME, now {os.environ.get('AUGENGINE_HOME') or 'not set'}"
        raise EngineError(f"cannot write the engine store {folder}: {error.strerror or error}", hint=hint) from error
