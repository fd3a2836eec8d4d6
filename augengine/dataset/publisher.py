"""The far end of a worker: samples encoded in a pool, shards written and published in source order by one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from augengine.chain.base import Request, Variants
from augengine.dataset.members import encode_sample
from augengine.dataset.spec import WorkerSpec
from augengine.errors import TargetError
from augengine.jobs import Report, failure_reason
from augengine.sample import Failure, Sample
from augengine.shards.builder import ShardBuilder

_WAITING_BATCHES = 4
"""Batches that may wait for the encoders before the chain stops: bounds the memory."""

Outcome = Variants | Failure
_Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample of a batch, or a failure, on its way through the chain, or past it."""

    sample: Sample | Failure
    through_chain: bool


@dataclass(frozen=True, slots=True)
class ShardPart:
    """Entries of one shard, in source order; ``last`` closes the shard."""

    shard: ShardBuilder
    entries: tuple[Entry, ...]
    last: bool

    @property
    def requests(self) -> list[Request]:
        """What of it goes through the chain."""
        samples = [e.sample for e in self.entries if e.through_chain]
        return [Request(key=s.key, image=s.image) for s in samples if isinstance(s, Sample)]


class Publisher:
    """Encodes, writes and publishes; the shard's future is set here and nowhere else.

    Args:
        spec: What to do with every job.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._room = threading.Semaphore(_WAITING_BATCHES)
        self._encoders = ThreadPoolExecutor(spec.threads, thread_name_prefix="encode")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._writer.submit(int).result()  # its thread starts now: later there may be no room for one
        self.samples_done = 0
        """Source samples finished so far, good and bad; those of a failed shard are taken back."""

    def publish(self, batch: ShardPart, outcomes: Sequence[Outcome]) -> None:
        """Take over a batch; waits while too many others are before it.

        Args:
            batch: Its entries.
            outcomes: What the chain made of those that went through it, in order.
        """
        by_entry = iter(outcomes)
        self._room.acquire()
        try:
            steps = [self._step(batch.shard, e, next(by_entry) if e.through_chain else None) for e in batch.entries]
            self._writer.submit(self._publish, batch, steps)
        except BaseException:
            self._room.release()
            raise

    def fail(self, shard: ShardBuilder, error: BaseException) -> None:
        """Turn an error into the shard's report, once what was published before it is written."""
        self._writer.submit(self._fail, shard, error)

    def close(self) -> None:
        """Wait for the writing thread; batches that are not encoded yet fail their shards."""
        self._encoders.shutdown(cancel_futures=True)
        self._writer.shutdown()

    def _step(self, shard: ShardBuilder, entry: Entry, outcome: Outcome | None) -> _Step:
        """What the writing thread does with an entry. Encoding starts here and now, in the pool."""
        sample = entry.sample
        failure = sample if isinstance(sample, Failure) else outcome
        if isinstance(failure, Failure):
            return lambda: shard.drop(failure)
        assert isinstance(sample, Sample)
        drawn = outcome if isinstance(outcome, Variants) else None
        encoded = self._encoders.submit(encode_sample, sample, drawn, self._spec.spec, self._spec.engines)
        read = sample.image, sample.mask or b""
        return lambda: shard.add(sample.key, read, encoded.result)

    def _publish(self, batch: ShardPart, steps: Sequence[_Step]) -> None:
        shard = batch.shard
        try:
            if not shard.done.done():
                self._write(shard, steps, last=batch.last)
        except Exception as error:  # noqa: BLE001 - the border of the thread: a failure becomes a report
            self._fail(shard, error)
        finally:
            self._room.release()

    def _write(self, shard: ShardBuilder, steps: Sequence[_Step], *, last: bool) -> None:
        for step in steps:
            step()
            self.samples_done += 1
        if last:
            shard.done.set_result(shard.finish())

    def _fail(self, shard: ShardBuilder, error: BaseException) -> None:
        if shard.done.done():
            return
        shard.discard()
        self.samples_done -= shard.samples_in
        if isinstance(error, TargetError):
            shard.done.set_exception(error)
        else:
            shard.done.set_result(Report(output=shard.job.output, error=failure_reason(error)))
