"""Make small datasets in tests, and look at what came out."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augengine.dataset import AugmentRequest, Summary, augment
from augengine.progress import WorkerState
from augengine.shards.layout import lock_file
from augengine.storage import AnyPath, UrlPath, names, open_whole, read_whole, size_of, unfinished_uploads


class Listener:
    """Follows a run and remembers what was said."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.total = 0
        self.already = 0
        self.done: list[int] = []
        self.workers: Sequence[WorkerState] = ()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def begin(self, total: int, already: int) -> None:
        self.total, self.already = total, already

    def advance(self, samples: int) -> None:
        self.done.append(samples)

    def crew(self, workers: Sequence[WorkerState]) -> None:
        self.workers = workers


def make(source: AnyPath, out: AnyPath, weights: Path, **options: Any) -> Summary:
    """Augment a source as cd68 with weights of one's own, eps 0.05 and 0.5 um/px unless said otherwise."""
    return augment(request(source, out, weights, **options), Listener())


def request(source: AnyPath, out: AnyPath, weights: Path, **options: Any) -> AugmentRequest:
    """The request of `make`."""
    values: dict[str, Any] = {"stain": "cd68", "eps": 0.05, "mpp": 0.5, "workers": 1, "force": True}
    return AugmentRequest(source=str(source), out=out, weights=weights, **{**values, **options})


def digests(folder: AnyPath) -> dict[str, str]:
    """sha256 of every file that a reader or a later run goes by: shards, indices, reports, the plan; no accounts."""
    own = folder / ".augengine"
    files = [folder / name for name in names(folder)]
    files += [own / name for name in names(own) if name.endswith(".json") and name not in ("run.json", "summary.json")]
    found = {file.name: read_whole(file) for file in files if size_of(file) is not None}
    return {name: hashlib.sha256(data or b"").hexdigest() for name, data in found.items()}


def members(folder: AnyPath) -> dict[str, bytes]:
    """Every member of every shard, by name."""
    found: dict[str, bytes] = {}
    for shard in [name for name in names(folder) if name.endswith(".tar")]:
        with open_whole(folder / shard) as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for info in tar:
                data = tar.extractfile(info)
                assert data is not None
                assert info.name not in found
                found[info.name] = data.read()
    return found


def keys(folder: AnyPath) -> list[str]:
    """The keys of all samples, in order."""
    return [name.removesuffix(".json") for name in members(folder) if name.endswith(".json")]


def record(folder: AnyPath, key: str) -> dict[str, Any]:
    """The json of a sample."""
    value: dict[str, Any] = json.loads(members(folder)[f"{key}.json"])
    return value


def leftovers(folder: AnyPath) -> list[str]:
    """What should not be there when nobody writes: unfinished files and uploads, and a lock."""
    lock = ["lock"] if size_of(lock_file(folder)) is not None else []
    if isinstance(folder, UrlPath):
        return lock + [key for key, _ in unfinished_uploads(folder, ("",))]
    unfinished = [*(folder / ".augengine").glob("spool/*"), *folder.glob("*.part")]
    return lock + [str(file.relative_to(folder)) for file in unfinished]
