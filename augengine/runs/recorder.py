"""Follows a run and keeps its record."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from augengine.errors import TargetError, TargetInUse
from augengine.jobs import Report, failure_reason
from augengine.progress import Watcher, WorkerState
from augengine.runs.record import RunRecord, RunState, write_record
from augengine.storage import AnyPath

RECORD_SECONDS = 5.0
"""How often a run says how far it is: one small file, synced to the disk."""


class Recorder:
    """A `Watcher` that tells another one, and writes the record now and then.

    A record that cannot be written stops nothing: the shards on the same disk will say so.

    Args:
        folder: The dataset, locked by us.
        watcher: Who else follows the run.
        about: What the summary says of the source too; its ``verdict`` on the pair and its ``failed_slides`` are kept.
        every_seconds: How often to write.
    """

    def __init__(
        self,
        folder: AnyPath,
        watcher: Watcher,
        *,
        about: Mapping[str, Any] = MappingProxyType({}),
        every_seconds: float = RECORD_SECONDS,
    ) -> None:
        self._folder, self._watcher, self._every = folder, watcher, every_seconds
        now = time.time()
        self._record = RunRecord(
            state="running",
            began=now,
            updated=now,
            total=0,
            already=0,
            verdict=dict(about.get("verdict") or {}),
            failed_slides=dict(about.get("failed_slides") or {}),
        )
        self._written = float("-inf")

    def note(self, text: str) -> None:
        """Implement `Watcher`."""
        self._watcher.note(text)

    def warn(self, text: str) -> None:
        """Implement `Watcher`."""
        self._watcher.warn(text)

    def begin(self, total: int, already: int) -> None:
        """Implement `Watcher`."""
        now = time.time()
        self._record = replace(self._record, began=now, updated=now, total=total, already=already)
        self._write()
        self._watcher.begin(total, already)

    def advance(self, samples: int) -> None:
        """Implement `Watcher`."""
        self._record = replace(self._record, done=samples)
        if time.monotonic() - self._written >= self._every:
            self._write()
        self._watcher.advance(samples)

    def crew(self, workers: Sequence[WorkerState]) -> None:
        """Implement `Watcher`."""
        self._record = replace(self._record, workers=tuple(workers))
        self._watcher.crew(workers)

    def follow(self, reports: Iterable[Report]) -> Iterator[Report]:
        """The same reports; the record names those of shards that failed."""
        for report in reports:
            if report.error:
                self._record = replace(self._record, failed={**self._record.failed, report.output: report.error})
            yield report

    def end(self, state: RunState, error: str = "") -> None:
        """The run is over."""
        self._record = replace(self._record, state=state, error=error)
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        self._record = replace(self._record, updated=max(time.time(), self._record.began))
        with suppress(TargetError):
            write_record(self._folder, self._record)


@contextmanager
def recorded(folder: AnyPath, watcher: Watcher, about: Mapping[str, Any] = MappingProxyType({})) -> Iterator[Recorder]:
    """Keep the record of a run, its end included; ``about`` as for `Recorder`."""
    recorder = Recorder(folder, watcher, about=about)
    try:
        yield recorder
    except TargetInUse:
        raise  # the record is the other run's now
    except Exception as error:
        recorder.end("stopped", failure_reason(error))
        raise
    except BaseException:
        recorder.end("interrupted")
        raise
    recorder.end("finished")
