"""One shard under way: its samples in source order, its report, and its commit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from augengine.errors import ContentError, ShardError
from augengine.jobs import Job, Report
from augengine.sample import Failure
from augengine.shards import layout
from augengine.shards.counted import Encoded, Statistics
from augengine.shards.fence import Fence
from augengine.shards.records import withdraw, write_report
from augengine.shards.write import ShardWriter, publish
from augengine.storage import AnyPath

NO_FENCE = Fence()


class ShardBuilder:
    """Collects what becomes of a job's samples and commits the shard: tar, index, and last the report.

    Everything is written in the spool first. `discard` leaves nothing behind.

    Args:
        job: The shard to make.
        target: The dataset's folder.
        publishes: False: `finish` drops what was made; see `augengine.fleet.Worker.submit`.
        fence: Checked right before publishing.
    """

    def __init__(self, job: Job, target: AnyPath, *, publishes: bool = True, fence: Fence = NO_FENCE) -> None:
        self.job = job
        self._fence = fence
        self._publishes = publishes
        self.target = target
        self.done: Future[Report] = Future()
        self._writer: ShardWriter | None = None
        self._failures: list[Failure] = []
        self._statistics = Statistics()
        self.samples_in = 0
        """Source samples counted so far, good and bad."""
        self._samples_out = 0
        self._skipped = Counter[str]()
        self._left_out: dict[str, float] = {}
        self._members, self._patients = Counter[str](), Counter[str]()
        self._input = hashlib.sha256()

    def drop(self, failure: Failure) -> None:
        """Count a bad sample."""
        self.samples_in += 1
        self._failures.append(failure)
        self._input.update(f"bad\0{failure.key}\0".encode())

    def add(
        self, key: str, read: Sequence[bytes], encode: Callable[[], Encoded], *, skipped: str | None = None
    ) -> None:
        """Write what a source sample became; bad content makes it a dropped one.

        Args:
            key: The source's.
            read: What was read of it, for the report's digest.
            encode: Gives what is written, or raises `ContentError`.
            skipped: The class for which it is written unchanged; None if it is not.
        """
        try:
            encoded = encode()
        except ContentError as error:
            self.drop(Failure(key, error.sentence))
            return
        self.samples_in += 1
        self._statistics += encoded.statistics
        self._skipped.update([] if skipped is None else [skipped])
        self._left_out |= encoded.left_out
        for part in read:
            self._input.update(hashlib.sha256(part).digest())
        if encoded.variants and encoded.patient:
            self._patients[encoded.patient] += 1
        for key, members in encoded.variants:
            self._open_writer().add(key, members)
            self._members.update(extension for extension, _ in members)
            self._samples_out += 1

    def finish(self) -> Report:
        """Publish tar and index, then the report, which is the commit mark. Without any sample only the report.

        Raises:
            TargetError: It cannot be published; `TargetInUse` if another run has taken over the target.
            ShardError: Samples are missing.
        """
        if self.samples_in != self.job.count:
            # A bug of ours, or a source that changed: never commit a shard from which samples are missing.
            raise ShardError(f"{self.samples_in} samples came through, {self.job.count} were planned")
        report = self._report()
        if not self._publishes:
            self.discard()
            return report
        if self._writer is not None:
            written = self._writer.close()
            self._fence.check()
            report = replace(report, sha256=written.sha256, size=written.size)
            withdraw(self.target, report)
            publish(written.tar, layout.tar_file(self.target, self.job.output))
            publish(written.index, layout.index_file(self.target, self.job.output))
        else:
            self._fence.check()
            withdraw(self.target, report)
        write_report(self.target, report)
        return report

    def _report(self) -> Report:
        return Report(
            output=self.job.output,
            samples_in=self.samples_in,
            samples_out=self._samples_out,
            failures=tuple(self._failures),
            input_sha256=self._input.hexdigest(),
            pixels=self._statistics.pixels,
            channel_sum=self._statistics.channel_sum,
            channel_sum_sq=self._statistics.channel_sum_sq,
            class_pixels=self._statistics.class_pixels,
            annotated=self._statistics.annotated,
            skipped=dict(sorted(self._skipped.items())),
            left_out=self._left_out,
            members=dict(sorted(self._members.items())),
            patients=dict(sorted(self._patients.items())),
        )

    def _open_writer(self) -> ShardWriter:
        if self._writer is None:
            self._writer = ShardWriter(layout.spool_file(self.target, self.job.output))
        return self._writer

    def discard(self) -> None:
        """Remove what was written; nothing of it was published."""
        if self._writer is not None:
            self._writer.discard()
