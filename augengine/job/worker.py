"""A worker: one endless chain, fed by jobs, and threads that encode and publish behind it.

Three stages run side by side: a thread that reads samples and drives the chain, a pool that encodes, and a thread
that writes and publishes in source order. Batches end at shard borders, but the chain is not drained between
shards: the next one is read while the last is encoded and published.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from augengine.chain.base import Chain, Request, Variants
from augengine.errors import AugengineError, TargetError, WorkerError
from augengine.job.check import check_sample, passes_through
from augengine.job.load import load_chain
from augengine.job.members import Drawn, encode_sample
from augengine.job.shard_builder import ShardBuilder
from augengine.job.spec import WorkerSpec
from augengine.report import Job, Report
from augengine.sample import Failure, Sample
from augengine.sources import source_from_json

_HELD_JOBS = 2
"""Jobs a worker holds: one in the chain, one being encoded and published."""

_WAITING_BATCHES = 4
"""Batches that may wait for the encoders before the chain stops: bounds the memory."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A sample of a batch, or a failure, on its way through the chain."""

    sample: Sample | Failure
    through_chain: bool


@dataclass(frozen=True, slots=True)
class _Batch:
    shard: ShardBuilder
    entries: tuple[_Entry, ...]
    last: bool

    @property
    def requests(self) -> list[Request]:
        samples = [e.sample for e in self.entries if e.through_chain]
        return [Request(key=s.key, image=s.image) for s in samples if isinstance(s, Sample)]


class Worker:
    """Makes shards, one job after the other, over one pair of engines that it loads once.

    Args:
        spec: What to do with every job.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._source = source_from_json(spec.source)
        self._chain: Chain | None = None
        self._jobs: queue.SimpleQueue[ShardBuilder | None] = queue.SimpleQueue()
        self._in_chain: deque[_Batch] = deque()
        self._room = threading.Semaphore(_WAITING_BATCHES)
        self._encoders = ThreadPoolExecutor(spec.threads, thread_name_prefix="encode")
        self._publisher = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._unfinished: set[ShardBuilder] = set()
        self._stopping = False
        self.samples_done = 0
        """Source samples finished so far, good and bad."""
        self._driver = threading.Thread(target=self._drive, name="drive", daemon=True)
        self._driver.start()

    def submit(self, job: Job) -> Future[Report]:
        """Queue a job. The future gives its report: also that of a shard that failed, with ``error`` set.

        The future raises only `TargetError`: a full or vanished target fails every other job alike.
        """
        shard = ShardBuilder(job, Path(self._spec.target))
        self._unfinished.add(shard)
        self._jobs.put(shard)
        return shard.done

    def run(self, jobs: Iterable[Job]) -> Iterator[Report]:
        """The reports of many jobs, in order, with two held at a time."""
        held: deque[Future[Report]] = deque()
        for job in jobs:
            held.append(self.submit(job))
            if len(held) == _HELD_JOBS:
                yield held.popleft().result()
        while held:
            yield held.popleft().result()

    def close(self) -> None:
        """Stop: shards under way are dropped, and nothing of them is left behind."""
        self._stopping = True
        self._jobs.put(None)
        self._driver.join()
        self._encoders.shutdown(cancel_futures=True)
        for shard in list(self._unfinished):
            self._publisher.submit(self._fail, shard, WorkerError("the worker was stopped"))
        self._publisher.shutdown()
        if self._chain is not None:
            self._chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The driving thread: reads, and keeps the chain full.

    def _drive(self) -> None:
        while (shard := self._next_shard()) is not None:
            try:
                self._feed(shard)
            except _ChainLost as lost:
                self._lose_chain(shard, lost.error)
            except Exception as error:  # noqa: BLE001 - the border of the thread: a failure becomes a report
                self._publisher.submit(self._fail, shard, error)

    def _next_shard(self) -> ShardBuilder | None:
        """The next job at once if there is one, so that the chain stays full; else drain it, then wait."""
        try:
            while self._jobs.empty() and self._in_chain:
                self._take()
        except _ChainLost as lost:
            self._lose_chain(self._in_chain[0].shard, lost.error)
        return self._jobs.get()

    def _feed(self, shard: ShardBuilder) -> None:
        entries: list[_Entry] = []
        for sample in self._source.read(shard.job):
            entries.append(self._entry(sample))
            if len(entries) == self._ready_chain().batch:
                self._put(_Batch(shard, tuple(entries), last=False))
                entries = []
            if self._stopping or shard.done.done():
                return
        self._put(_Batch(shard, tuple(entries), last=True))

    def _entry(self, sample: Sample | Failure) -> _Entry:
        if isinstance(sample, Sample):
            sample = check_sample(sample, self._spec)
        return _Entry(sample, isinstance(sample, Sample) and not passes_through(sample, self._spec.spec))

    def _put(self, batch: _Batch) -> None:
        chain = self._ready_chain()
        while len(self._in_chain) >= chain.depth:
            self._take()
        self._in_chain.append(batch)
        if batch.requests:
            with _chain_errors():
                chain.put(batch.requests)

    def _take(self) -> None:
        batch, chain = self._in_chain[0], self._ready_chain()
        with _chain_errors():
            outcomes = iter(chain.get() if batch.requests else ())
        self._in_chain.popleft()
        steps = [self._step(batch.shard, e, next(outcomes) if e.through_chain else None) for e in batch.entries]
        self._room.acquire()
        self._publisher.submit(self._publish, batch, steps)

    def _ready_chain(self) -> Chain:
        if self._chain is None:
            with _chain_errors():
                self._chain = load_chain(self._spec)
        return self._chain

    def _lose_chain(self, shard: ShardBuilder, error: Exception) -> None:
        """Every shard in hand fails with the chain; the next one gets a new chain."""
        lost = {id(s): s for s in (shard, *(batch.shard for batch in self._in_chain))}
        self._in_chain.clear()
        chain, self._chain = self._chain, None
        if chain is not None:
            chain.close()
        for each in lost.values():
            self._publisher.submit(self._fail, each, error)

    # The encoders and the publishing thread.

    def _step(self, shard: ShardBuilder, entry: _Entry, outcome: Variants | Failure | None) -> Callable[[], None]:
        """What the publishing thread does with an entry. Encoding starts here and now, in the pool."""
        sample = entry.sample
        failure = sample if isinstance(sample, Failure) else outcome
        if isinstance(failure, Failure):
            return lambda: shard.drop(failure)
        assert isinstance(sample, Sample)
        drawn = Drawn(images_khwc=outcome.images_khwc, sigmas=outcome.sigmas) if isinstance(outcome, Variants) else None
        encoded = self._encoders.submit(encode_sample, sample, drawn, self._spec.spec, self._spec.engines)
        return lambda: shard.add(sample, encoded.result)

    def _publish(self, batch: _Batch, steps: list[Callable[[], None]]) -> None:
        shard = batch.shard
        try:
            if not shard.done.done():
                self._write(shard, steps, last=batch.last)
        except Exception as error:  # noqa: BLE001 - the border of the thread: a failure becomes a report
            self._fail(shard, error)
        finally:
            self._room.release()

    def _write(self, shard: ShardBuilder, steps: list[Callable[[], None]], *, last: bool) -> None:
        for step in steps:
            step()
            self.samples_done += 1
        if last:
            self._unfinished.discard(shard)
            shard.done.set_result(shard.finish())

    def _fail(self, shard: ShardBuilder, error: Exception) -> None:
        """Turn an error into the shard's report; what was written is removed."""
        if shard.done.done():
            return
        self._unfinished.discard(shard)
        shard.discard()
        if isinstance(error, TargetError):
            shard.done.set_exception(error)
        else:
            shard.done.set_result(Report(output=shard.job.output, error=_say(error)))


class _ChainLost(Exception):
    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _chain_errors() -> Iterator[None]:
    """Mark what fails inside the chain: it takes every shard in hand with it, where a bad source takes its own."""
    try:
        yield
    except Exception as error:
        raise _ChainLost(error) from error


def _say(error: BaseException) -> str:
    if isinstance(error, AugengineError):
        return error.message + (f" ({error.hint})" if error.hint else "")
    if isinstance(error, MemoryError):
        return "out of memory (fewer --workers, or smaller images)"
    return f"{type(error).__name__}: {error}"
