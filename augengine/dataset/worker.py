"""A worker: one chain that jobs keep full, with encoders and a publisher behind it.

Three stages run side by side: a thread that reads samples and drives the chain, a pool that encodes, and a thread
that writes and publishes in source order. A batch never holds samples of two shards. The chain is not drained
between shards: the next one is read while the last one is encoded and published.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import Self

from augengine.chain.base import Chain
from augengine.dataset.check import check_sample, passes_through
from augengine.dataset.load import load_chain
from augengine.dataset.publisher import Entry, Publisher, ShardPart
from augengine.dataset.spec import WorkerSpec
from augengine.errors import WorkerError
from augengine.fleet import HELD_JOBS
from augengine.jobs import Job, Report
from augengine.sample import Failure, Sample
from augengine.shards.builder import ShardBuilder
from augengine.sources import source_from_json
from augengine.storage import path_of


class Worker:
    """Makes shards, one job after the other, over one chain that it loads once.

    Args:
        spec: What to do with every job.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        spec.access.apply()
        self._spec = spec
        self._source = source_from_json(spec.source)
        self._chain: Chain | None = None
        self._in_chain: deque[ShardPart] = deque()
        self._publisher = Publisher(spec)
        self._jobs: queue.SimpleQueue[ShardBuilder | None] = queue.SimpleQueue()
        self._unfinished: set[ShardBuilder] = set()
        self._stopping = self._ended = False
        self._driver = threading.Thread(target=self._drive, name="drive", daemon=True)
        self._driver.start()

    @property
    def samples_done(self) -> int:
        """Source samples finished so far, good and bad."""
        return self._publisher.samples_done

    def submit(self, job: Job, *, publishes: bool = True) -> Future[Report]:
        """Queue a job. The future gives its report; that of a failed shard has ``error`` set.

        The future raises only `TargetError`, because a full or vanished target fails every other job too. Without
        ``publishes`` the shard is made and then dropped.
        """
        target, fence = path_of(self._spec.target), self._spec.fence
        shard = ShardBuilder(job, target, publishes=publishes, fence=fence)
        # Noted before it is queued: a driving thread that ends in between finds it here and fails it.
        self._unfinished.add(shard)
        shard.done.add_done_callback(lambda _: self._unfinished.discard(shard))
        self._jobs.put(shard)
        # Looked at last: a thread that had ended before will not find this job, and its future would wait for ever.
        if self._ended:
            with suppress(InvalidStateError):  # the driving thread saw it too
                shard.done.set_result(Report(output=job.output, error="the worker was stopped"))
        return shard.done

    def run(self, jobs: Iterable[Job]) -> Iterator[Report]:
        """The reports of many jobs, in order, with two held at a time."""
        held: deque[Future[Report]] = deque()
        for job in jobs:
            held.append(self.submit(job))
            if len(held) == HELD_JOBS:
                yield held.popleft().result()
        while held:
            yield held.popleft().result()

    def close(self) -> None:
        """Stop: shards under way are dropped, and nothing of them is left behind."""
        self._stopping = True
        self._jobs.put(None)
        # The driving thread first: until it has ended it hands batches to the publisher.
        self._driver.join()
        self._publisher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # All below runs in the driving thread: it reads, and keeps the chain full.

    def _drive(self) -> None:
        error: BaseException = WorkerError("the worker was stopped")
        try:
            while (shard := self._next_shard()) is not None:
                self._make(shard)
        except BaseException as unexpected:  # noqa: BLE001 - nobody would hear of it, and everybody wait
            error = unexpected
        finally:
            # Before the loop: a job that comes too late for it sees the mark in `submit`.
            self._ended = True
            # A copy, because other threads take shards out of the set as they finish.
            for shard in list(self._unfinished):
                self._publisher.fail(shard, error)
            self._drop_chain()

    def _next_shard(self) -> ShardBuilder | None:
        """Return the next job at once if there is one: so the chain stays full. Else drain the chain, then wait."""
        while self._in_chain and self._jobs.empty() and not self._stopping:
            try:
                self._take()
            except _ChainLost as lost:
                self._lose_chain(self._in_chain[0].shard, lost.error)
        return self._jobs.get()

    def _make(self, shard: ShardBuilder) -> None:
        try:
            self._feed(shard)
        except _ChainLost as lost:
            self._lose_chain(shard, lost.error)
        except Exception as error:  # noqa: BLE001 - the border of the thread: a failure becomes a report
            self._publisher.fail(shard, error)

    def _feed(self, shard: ShardBuilder) -> None:
        entries: list[Entry] = []
        for sample in self._source.read(shard.job):
            entries.append(self._entry(sample))
            if len(entries) == self._ready_chain().batch:
                self._put(ShardPart(shard, tuple(entries), last=False))
                entries = []
            # A shard may be done before its end: the writing thread failed it. To read on would only cost time.
            if self._stopping or shard.done.done():
                return
        self._put(ShardPart(shard, tuple(entries), last=True))

    def _entry(self, sample: Sample | Failure) -> Entry:
        if isinstance(sample, Sample):
            sample = check_sample(sample, self._spec)
        return Entry(sample, isinstance(sample, Sample) and not passes_through(sample, self._spec.spec))

    def _put(self, batch: ShardPart) -> None:
        chain = self._ready_chain()
        while len(self._in_chain) >= chain.depth:
            self._take()
        # A batch without requests skips the chain, but it keeps its turn: samples are published in source order.
        self._in_chain.append(batch)
        if batch.requests:
            with _chain_errors():
                chain.put(batch.requests)

    def _take(self) -> None:
        """Hand the oldest batch on. It leaves the queue last, so that until then a failure finds its shard there."""
        batch, chain = self._in_chain[0], self._ready_chain()
        with _chain_errors():
            outcomes = chain.get() if batch.requests else []
            # Inside too: the batch may be of another shard than the one being read, which alone would fail otherwise.
            self._publisher.publish(batch, outcomes)
        self._in_chain.popleft()

    def _ready_chain(self) -> Chain:
        # Loaded at the first need: engines that cannot be loaded then fail each shard with the reason.
        if self._chain is None:
            with _chain_errors():
                self._chain = load_chain(self._spec)
        return self._chain

    def _lose_chain(self, shard: ShardBuilder, error: Exception) -> None:
        """Fail every shard in hand with the chain; the next shard gets a new chain."""
        # Each once: a shard has as many entries in the queue as it has batches in the chain.
        lost = {id(s): s for s in (shard, *(batch.shard for batch in self._in_chain))}
        self._in_chain.clear()
        for each in lost.values():
            self._publisher.fail(each, error)
        self._drop_chain()

    def _drop_chain(self) -> None:
        # Forgotten before it is closed: if closing fails, nobody uses what is left of it.
        chain, self._chain = self._chain, None
        if chain is not None:
            chain.close()


class _ChainLost(Exception):
    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _chain_errors() -> Iterator[None]:
    """Mark an error inside the chain. It fails every shard in hand, whereas a bad source fails its own shard alone."""
    try:
        yield
    except Exception as error:
        raise _ChainLost(error) from error
