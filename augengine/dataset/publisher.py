"""The far end of a worker: a pool encodes samples, and one thread writes and publishes shards in source order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from augengine.chain.base import Request, Variants
from augengine.dataset.check import class_of
from augengine.dataset.members import encode_sample
from augengine.dataset.spec import WorkerSpec
from augengine.errors import TargetError
from augengine.jobs import Report, failure_reason
from augengine.sample import Failure, Sample
from augengine.shards.builder import ShardBuilder

_WAITING_BATCHES = 4
"""How many batches may wait for the encoders before the chain stops. It bounds the memory."""

Outcome = Variants | Failure
_Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample of a batch or a failure, and whether it goes through the chain or past it."""

    sample: Sample | Failure
    through_chain: bool


@dataclass(frozen=True, slots=True)
class ShardPart:
    """Entries of one shard, in source order; ``last`` says that no more of this shard follow."""

    shard: ShardBuilder
    entries: tuple[Entry, ...]
    last: bool

    @property
    def requests(self) -> list[Request]:
        """Those of the entries that go through the chain, as the chain wants them."""
        samples = [e.sample for e in self.entries if e.through_chain]
        return [Request(key=s.key, image=s.image) for s in samples if isinstance(s, Sample)]


class Publisher:
    """Encodes, writes and publishes. It sets the future of every shard that reaches it.

    Args:
        spec: What to do with every job.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._room = threading.Semaphore(_WAITING_BATCHES)
        self._encoders = ThreadPoolExecutor(spec.threads, thread_name_prefix="encode")
        # One thread, because its queue is what keeps the samples in source order.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._writer.submit(int).result()  # its thread starts now: later there may be no room for one
        self.samples_done = 0
        """Source samples finished so far, good and bad; those of a failed shard are taken back."""

    def publish(self, batch: ShardPart, outcomes: Sequence[Outcome]) -> None:
        """Take over a batch. This waits while `_WAITING_BATCHES` others are not yet written.

        Args:
            batch: The entries to encode and write.
            outcomes: What the chain made of the entries that went through it, in order.
        """
        by_entry = iter(outcomes)
        self._room.acquire()
        try:
            steps = [self._step(batch.shard, e, next(by_entry) if e.through_chain else None) for e in batch.entries]
            self._writer.submit(self._publish, batch, steps)
        except BaseException:
            # The writing thread gives the room back only for a batch that it was given.
            self._room.release()
            raise

    def fail(self, shard: ShardBuilder, error: BaseException) -> None:
        """Turn an error into the shard's report, after the batches that were handed over before."""
        # By the writing thread, so that no two threads ever change one shard.
        self._writer.submit(self._fail, shard, error)

    def close(self) -> None:
        """Wait for the writing thread. Batches that are not encoded yet fail their shards."""
        # The encoders first: the writing thread then meets cancelled encodings, and does not wait for them.
        self._encoders.shutdown(cancel_futures=True)
        self._writer.shutdown()

    def _step(self, shard: ShardBuilder, entry: Entry, outcome: Outcome | None) -> _Step:
        """Start to encode an entry in the pool, and return what the writing thread will do with it."""
        sample = entry.sample
        failure = sample if isinstance(sample, Failure) else outcome
        if isinstance(failure, Failure):
            return lambda: shard.drop(failure)
        assert isinstance(sample, Sample)
        drawn = outcome if isinstance(outcome, Variants) else None
        encoded = self._encoders.submit(encode_sample, sample, drawn, self._spec.spec, self._spec.engines)
        read = sample.image, sample.mask or b""
        skipped = class_of(sample) if drawn is None else None
        return lambda: shard.add(sample.key, read, encoded.result, skipped=skipped)

    def _publish(self, batch: ShardPart, steps: Sequence[_Step]) -> None:
        shard = batch.shard
        try:
            # A shard that has failed already may have batches left in the chain: they are passed over.
            if not shard.done.done():
                self._write(shard, steps, last=batch.last)
        except Exception as error:  # noqa: BLE001 - the border of the thread: a failure becomes a report
            self._fail(shard, error)
        finally:
            self._room.release()

    def _write(self, shard: ShardBuilder, steps: Sequence[_Step], *, last: bool) -> None:
        # The writing thread alone changes `samples_done`, so the count needs no lock.
        for step in steps:
            before = shard.samples_in
            try:
                step()
            finally:
                # As the shard counts: a failed write leaves its sample in the shard's count, which is taken back.
                self.samples_done += shard.samples_in - before
        if last:
            shard.done.set_result(shard.finish())

    def _fail(self, shard: ShardBuilder, error: BaseException) -> None:
        if shard.done.done():
            return
        # A failed shard is tried again: else its samples would count twice.
        shard.discard()
        self.samples_done -= shard.samples_in
        # A full or vanished target fails every job, so it is raised and ends the run.
        if isinstance(error, TargetError):
            shard.done.set_exception(error)
        else:
            shard.done.set_result(Report(output=shard.job.output, error=failure_reason(error)))
