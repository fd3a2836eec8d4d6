"""Read a dataset again, all of it, and name what is wrong."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from augengine.errors import ShardError
from augengine.jobs import Report
from augengine.machine import cpu_threads
from augengine.pictures.headers import read_size
from augengine.pictures.reading import read_image_or_error
from augengine.sample import printable
from augengine.shards.content import Planned, Sums, check_sample
from augengine.shards.groups import MAX_MEMBERS, MAX_SAMPLE_BYTES
from augengine.shards.headers import TAR_ERRORS, CheckedHeader, check_extent
from augengine.shards.layout import CARD_NAME, OWN_FOLDER, SHARD_ENDINGS, index_file, plan_file, tar_file
from augengine.shards.listed import MAX_INDEX_BYTES
from augengine.shards.records import read_plan_json, read_report
from augengine.shards.write import INDEX_VERSION
from augengine.storage import AnyPath, names, open_whole, read_whole, size_of

_BATCH = 16
_BATCH_PX = 1 << 26  # 200 MB decoded; a single image may have the square of the plan's longest side
_BATCH_BYTES = 1 << 27  # encoded; a single sample may have MAX_SAMPLE_BYTES
_MAX_PROBLEMS = 20
_READERS_FILES = (".nv-meta", "_info.json", "dataset_infos.json", "index.json", "wids.json")
"""What Energon, the Hugging Face hub, timm, streaming and webdataset's wids keep beside shards."""

_READABLE = "the plan is damaged; the shards can still be read, but not verified"

Members = dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes:
        shards: Shards planned.
        samples: Samples read.
        failures: Source samples that the reports name as dropped.
        problems: What is wrong, a sentence each; at most 20 a shard.
        notes: What is no part of the dataset and harms no reader, a sentence each.
    """

    shards: int
    samples: int
    failures: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(folder: AnyPath, *, threads: int | None = None) -> Verification:
    """Re-read a dataset: plan, reports, digests, indices, names, json, images, masks, sums.

    Args:
        folder: A dataset that augment wrote.
        threads: CPU threads for decoding; default: all that this process may use.

    Raises:
        ShardError: The folder holds no dataset, or its plan cannot be read.
        PlanMismatch: Another version of augengine wrote the plan, in another format.
    """
    planned = _read_plan(folder)
    readers, foreign = _other_files(folder, list(planned.counts))
    problems = [f"{name} is not part of the dataset; readers may take it for data" for name in foreign]
    keys: Counter[str] = Counter()
    samples = failures = 0
    with ThreadPoolExecutor(threads or cpu_threads(), thread_name_prefix="verify") as pool:
        for output in planned.counts:
            check = _ShardCheck(folder, output, planned, pool)
            check.run()
            problems += [f"{output}: {problem}" for problem in check.found()]
            keys.update(check.keys)
            samples, failures = samples + len(check.keys), failures + check.failures
    problems += [f"the key {key!r} occurs {count} times in the dataset" for key, count in keys.items() if count > 1]
    return Verification(
        shards=len(planned.counts),
        samples=samples,
        failures=failures,
        problems=tuple(problems),
        notes=tuple(f"{name} is a reader's own file, no part of the dataset" for name in readers),
    )


def _read_plan(folder: AnyPath) -> Planned:
    file = plan_file(folder)
    if size_of(file) is None:
        hint = "give the folder that `augengine augment --out` wrote; other WebDatasets cannot be verified"
        raise ShardError(f"{folder} holds no plan ({OWN_FOLDER}/{file.name})", hint=hint)
    plan = read_plan_json(file, hint=_READABLE)
    try:
        return Planned.of(plan)
    except KeyError as error:
        raise ShardError(f"the plan {file} lacks {error}", hint="was it written by another version?") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ShardError(
            f"the plan {file} cannot be used: {error}", hint="was it written by another version?"
        ) from error


def _other_files(folder: AnyPath, outputs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of what is not ours: files that readers keep beside shards, and any other."""
    ours = {CARD_NAME} | {f"{output}{ending}" for output in outputs for ending in SHARD_ENDINGS}
    indices = {f"{output}.tar.idx" for output in outputs}
    others = [name for name in names(folder) if name not in ours]
    known = [name for name in others if name in indices or name in _READERS_FILES]
    foreign = [name for name in others if name not in known and not name.startswith(".")]
    return [printable(name) for name in known], [printable(name) for name in foreign]


@dataclass(slots=True)
class _ShardCheck:
    """Checks one shard, member by member, and gathers what is wrong."""

    folder: AnyPath
    output: str
    planned: Planned
    pool: ThreadPoolExecutor
    keys: list[str] = field(default_factory=list)
    failures: int = 0
    _problems: list[str] = field(default_factory=list)
    _index: list[str] = field(default_factory=list)
    _sums: Sums = field(default_factory=lambda: Sums())

    def run(self) -> None:
        report = self._report()
        if report is None:
            return
        self.failures = len(report.failures)
        if report.error:
            self._say(f"it failed: {report.error}; run augment again")
            return
        self._check_counts(report)
        file = tar_file(self.folder, self.output)
        if not report.sha256:
            if size_of(file) is not None:
                self._say("its report says that it holds no sample, yet there is a tar")
            return
        if size_of(file) is None:
            self._say("the tar is missing, though its report says it was written")
            return
        self._check_bytes(file, report)
        self.check_samples(file)
        self._check_index()
        self._check_report(report)

    def found(self) -> list[str]:
        """The problems, cut where they would flood the screen."""
        more = len(self._problems) - _MAX_PROBLEMS
        return self._problems[:_MAX_PROBLEMS] + ([f"and {more} more problems"] if more > 0 else [])

    def _say(self, problem: str) -> None:
        self._problems.append(printable(problem))

    def _report(self) -> Report | None:
        try:
            report = read_report(self.folder, self.output)
        except ShardError as error:
            self._say(error.message)
            return None
        if report is None:
            self._say("not written yet: it is planned and has no report; run augment again")
        return report

    def _check_bytes(self, file: AnyPath, report: Report) -> None:
        if (size := size_of(file)) != report.size:
            self._say(f"the tar has {size} bytes, its report says {report.size}")
            return  # so it has another digest, too; a file with holes would take long to say so
        with open_whole(file) as stream:
            found = hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()
        if found != report.sha256:
            self._say(f"the tar's sha256 is {found[:12]}..., its report says {report.sha256[:12]}...")

    def check_samples(self, file: AnyPath) -> None:
        batch: list[tuple[str, Members]] = []
        pixels = size = 0
        try:
            for key, members in self._read(file):
                self.keys.append(key)
                batch.append((key, members))
                pixels, size = pixels + self._pixels(members), size + sum(map(len, members.values()))
                if len(batch) == _BATCH or pixels > _BATCH_PX or size > _BATCH_BYTES:
                    self._check_batch(batch)
                    batch, pixels, size = [], 0, 0
        except (*TAR_ERRORS, OSError, ValueError) as error:
            self._say(f"the tar is damaged: {error}")
        self._check_batch(batch)

    def _pixels(self, members: Members) -> int:
        """What an image says it has; decoding a batch of bombs together would take their memory together."""
        height, width = read_size(io.BytesIO(members.get(self.planned.image_format, b""))) or (0, 0)
        return height * width

    def _read(self, file: AnyPath) -> Iterator[tuple[str, Members]]:
        """The samples of the tar as they are, and the index that fits them."""
        current, members, line = "", Members(), list[str]()
        whole = size_of(file) or 0
        with open_whole(file) as data, tarfile.open(fileobj=data, mode="r|", tarinfo=CheckedHeader) as tar:
            for info in tar:
                tar.members.clear()  # type: ignore[attr-defined]  # tarfile remembers every member otherwise
                check_extent(tar, info, whole)
                key, _, extension = info.name.partition(".")
                stream = tar.extractfile(info)
                if not info.isreg() or info.issparse() or stream is None or not key or "/" in key:
                    self._say(f"the member {info.name!r} is no member of a sample")
                    continue
                if key != current:
                    if current:
                        yield self._finish(current, members, line)
                    current, members, line = key, {}, []
                if info.size + sum(map(len, members.values())) > MAX_SAMPLE_BYTES or len(line) >= MAX_MEMBERS:
                    limits = f"{MAX_SAMPLE_BYTES} bytes and {MAX_MEMBERS} members"
                    self._say(f"the member {info.name!r} of {info.size} bytes is not read: a sample may have {limits}")
                    continue
                members[extension] = stream.read()
                line.append(f"{extension} {info.offset_data} {info.size} {info.name}")
        if current:
            yield self._finish(current, members, line)

    def _finish(self, key: str, members: Members, line: list[str]) -> tuple[str, Members]:
        self._index.append(" ".join(line))
        return key, members

    def _check_index(self) -> None:
        file = index_file(self.folder, self.output)
        wanted = "\n".join([f"{INDEX_VERSION} {len(self._index)}", *self._index]) + "\n"
        try:
            found = (read_whole(file, limit=MAX_INDEX_BYTES) or b"").decode()
        except (OSError, ValueError) as error:
            self._say(f"the index cannot be read: {error}")
            return
        if not found:
            self._say("the index cannot be read: it is missing or empty")
            return
        if found != wanted:
            self._say("the index does not fit the tar; make it again with wds2idx")

    def _check_batch(self, batch: Sequence[tuple[str, Members]]) -> None:
        read = partial(read_image_or_error, max_side=self.planned.max_side)
        images = self.pool.map(read, [members.get(self.planned.image_format, b"") for _, members in batch])
        for (key, members), image in zip(batch, images, strict=True):
            for problem in check_sample(key, members, image, self.planned, self._sums):
                self._say(f"{key}: {problem}")

    def _check_counts(self, report: Report) -> None:
        good, becomes = report.samples_in - len(report.failures), self.planned.becomes
        if report.samples_in != (count := self.planned.counts[self.output]):
            self._say(f"its report counts {report.samples_in} source samples, {count} were planned")
        elif not becomes.fits(report):
            wanted = becomes.expected(report)
            self._say(f"{good} good sources make {wanted} samples, its report says {report.samples_out}")

    def _check_report(self, report: Report) -> None:
        for key in report.left_out.keys() & set(self.keys):
            self._say(f"{key} is there, though its report says that the gate left it out")
        if report.samples_out != len(self.keys):
            self._say(f"it holds {len(self.keys)} samples, its report says {report.samples_out}")
        for name, found in self._sums.as_reported().items():
            if (stated := getattr(report, name)) != found:
                self._say(f"{name} is {found}, its report says {stated}")
