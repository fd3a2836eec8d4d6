"""A worker that cuts tiles: each thread reads, resamples, masks and encodes one tile at a time."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack

from augengine.errors import ContentError, TargetError, WorkerError
from augengine.fleet import HELD_JOBS
from augengine.jobs import Job, Report, failure_reason
from augengine.shards.builder import ShardBuilder
from augengine.shards.counted import Encoded
from augengine.storage import path_of
from augengine.tiling.listing import tile_key
from augengine.tiling.opened import TileWorkerSpec, open_job
from augengine.tiling.survey import Survey

_AHEAD = 4
"""Tiles a thread that may wait to be written: bounds the memory."""


class TileWorker:
    """Makes shards of tiles; see `augengine.fleet.Worker`.

    Args:
        spec: What to do with every job.
    """

    def __init__(self, spec: TileWorkerSpec) -> None:
        spec.access.apply()
        self._spec = spec
        self._cutters = ThreadPoolExecutor(spec.threads, thread_name_prefix="cut")
        # Two shards at a time, so that the cutters have work while one is published.
        self._writers = ThreadPoolExecutor(HELD_JOBS, thread_name_prefix="write")
        self._stopping = False
        self._done: dict[int, int] = {}

    @property
    def samples_done(self) -> int:
        """Tiles finished so far, good and bad."""
        return sum(self._done.values())

    def submit(self, job: Job, *, publishes: bool = True) -> Future[Report]:
        """Queue a job; see `augengine.fleet.Worker`."""
        return self._writers.submit(self._make, job, publishes)

    def close(self) -> None:
        """Stop; shards under way are dropped."""
        self._stopping = True
        self._writers.shutdown(cancel_futures=True)
        self._cutters.shutdown(cancel_futures=True)

    def _make(self, job: Job, publishes: bool) -> Report:
        target, fence = path_of(self._spec.target), self._spec.fence
        shard = ShardBuilder(job, target, publishes=publishes, fence=fence)
        try:
            self._fill(shard)
            return shard.finish()
        except TargetError:
            shard.discard()
            raise
        except Exception as error:  # noqa: BLE001 - the border of the thread: a failure becomes a report
            shard.discard()
            self._done[job.index] = 0
            return Report(output=job.output, error=failure_reason(error))

    def _fill(self, shard: ShardBuilder) -> None:
        with ExitStack() as stack:
            opened = open_job(self._spec, shard.job, stack)
            cut: deque[tuple[str, Future[Encoded]]] = deque()
            stack.callback(lambda: _abandon(cut))  # before the slide is closed: no thread may read a closed one
            for ordinal, place in enumerate(opened.places, shard.job.first):
                key = tile_key(opened.survey.slide, place)
                bad = shard.job.excluded.get(ordinal)
                cut.append((key, _excluded(bad) if bad else self._cutters.submit(opened.cut, key, place)))
                if len(cut) > _AHEAD * self._spec.threads:
                    self._write(shard, opened.survey, *cut.popleft())
            while cut:
                self._write(shard, opened.survey, *cut.popleft())

    def _write(self, shard: ShardBuilder, survey: Survey, key: str, encoded: Future[Encoded]) -> None:
        if self._stopping:
            raise WorkerError("the worker was stopped")
        read = key.encode(), survey.slide.fingerprint.encode(), survey.slide.labels_digest.encode()
        shard.add(key, read, encoded.result)
        self._done[shard.job.index] = shard.samples_in


def _excluded(reason: str) -> Future[Encoded]:
    """The outcome of a tile that is known to be bad; nothing of it is read."""
    outcome: Future[Encoded] = Future()
    outcome.set_exception(ContentError(reason))
    return outcome


def _abandon(cut: deque[tuple[str, Future[Encoded]]]) -> None:
    """Wait until nobody works on tiles that nobody wants any more."""
    wait([future for _, future in cut if not future.cancel()])
