"""A worker that dies, hangs or fails at certain samples, in earnest; else it is the real one.

The samples stand by their keys in environment variables, which Ray's workers inherit: ``TEST_KILL`` ends the process
by SIGKILL (as the kernel does when memory is short), ``TEST_ABORT`` by abort (as a decoder's failed assertion),
``TEST_HANG`` sleeps for ever. ``TEST_BAD_ONCE`` names a file: the worker that creates it fails all its jobs.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from augengine.dataset.spec import WorkerSpec
from augengine.dataset.worker import Worker
from augengine.jobs import Job, Report
from augengine.listing import Listing
from augengine.sample import Failure, Sample
from augengine.sources.base import Source


def start(spec: WorkerSpec) -> DeadlyWorker:
    """Start the worker."""
    return DeadlyWorker(spec)


class DeadlyWorker(Worker):
    """The real worker, reading from a source whose samples may kill it; see the file's beginning."""

    def __init__(self, spec: WorkerSpec) -> None:
        super().__init__(spec)
        self._source = _DeadlySource(self._source)
        self._is_bad = _is_first(os.environ.get("TEST_BAD_ONCE", ""))

    def submit(self, job: Job, *, publishes: bool = True) -> Future[Report]:
        """Take a job as the real worker does; a bad worker fails it instead."""
        if not self._is_bad:
            return super().submit(job, publishes=publishes)
        failed: Future[Report] = Future()
        failed.set_result(Report(output=job.output, error="this machine has no engine store"))
        return failed


class _DeadlySource:
    """Reads samples of another source; some are deadly when they are read."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def scan(self) -> Listing:
        """Return the listing of the other source."""
        return self._source.scan()

    def to_json(self) -> dict[str, Any]:
        """Return the plain JSON values of the other source."""
        return self._source.to_json()

    def read(self, job: Job) -> Iterator[Sample | Failure]:
        """Give the samples of the other source, as long as reading them is survived."""
        for sample in self._source.read(job):
            if isinstance(sample, Sample):
                _strike(sample.key)
            yield sample


def _strike(key: str) -> None:
    if key in os.environ.get("TEST_KILL", "").split():
        os.kill(os.getpid(), signal.SIGKILL)
    if key in os.environ.get("TEST_ABORT", "").split():
        os.abort()
    if key in os.environ.get("TEST_HANG", "").split():
        time.sleep(3600)


def _is_first(name: str) -> bool:
    if not name:
        return False
    try:
        Path(name).open("x").close()
    except FileExistsError:
        return False
    return True
