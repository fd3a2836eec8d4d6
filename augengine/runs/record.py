"""What the running driver says of itself now and then, for whoever asks from another process or machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from augengine.errors import ShardError, SpecError
from augengine.json_values import from_json, to_json
from augengine.progress import WorkerState
from augengine.shards.layout import run_file, spool_folder
from augengine.shards.records import read_json, write_json
from augengine.storage import AnyPath, size_of

RunState = Literal["running", "finished", "interrupted", "stopped"]
_HINT = "delete it: it says how far the last run was, and nothing else"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """How far a run is. It lies beside the plan, and no shard or report depends on it.

    Attributes:
        state: Running, as far as it knows; finished; interrupted by a signal; or stopped by an error.
        began, updated: Seconds since 1970 by the driver's clock.
        total, already: Source samples of the plan, and those done before this run.
        done: Source samples that this run is through with, good and bad.
        workers: How each worker is doing; after the run, how each ended.
        failed: Shards that could not be made: output -> reason.
        error: What stopped it.
        verdict: What was found of the pair before the dataset was begun; empty if nobody looked.
        failed_slides: Slides that could not be tiled: key -> reason.
    """

    state: RunState
    began: float
    updated: float
    total: int
    already: int
    done: int = 0
    workers: tuple[WorkerState, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    failed_slides: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds from the run's start to its last sign of life."""
        return max(0.0, self.updated - self.began)

    @property
    def rate(self) -> float:
        """Source samples a second; 0 if none is done."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at this rate; None if there is no rate yet."""
        return max(0, self.total - self.already - self.done) / self.rate if self.rate else None


def write_record(folder: AnyPath, record: RunRecord) -> None:
    """Publish it, whole or not at all.

    Raises:
        TargetError: It cannot be written.
    """
    write_json(run_file(folder), to_json(record), spool_folder(folder))


def read_record(folder: AnyPath) -> RunRecord | None:
    """What the last run, or the present one, said; None if it was before there were records.

    Raises:
        ShardError: It cannot be read.
    """
    file = run_file(folder)
    if size_of(file) is None:
        return None
    data = read_json(file, hint=_HINT)
    try:
        return from_json(RunRecord, data)
    except SpecError as error:
        raise ShardError(f"{file} cannot be used: {error}", hint=_HINT) from error
