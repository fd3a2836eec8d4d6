"""Read a dataset again, all of it, and name what is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from augengine.errors import ContentError, ShardError
from augengine.images import Decoder, Mask, RgbImage, read_mask
from augengine.report import Report
from augengine.sample import MASK_EXT, variant_key
from augengine.shards.layout import OWN_FOLDER, index_file, plan_file, tar_file
from augengine.shards.write import INDEX_VERSION, read_json, read_report

JSON_FIELDS = (
    "source_key", "stain", "reference", "variant", "eps", "sigma", "seed", "noise_version",
    "engine_to_reference", "engine_from_reference", "precision", "mpp", "source",
)  # fmt: skip
"""What every sample's json states."""

MAX_SIDE = 1 << 14
_BATCH = 16
_MOST_PROBLEMS = 20

Members = dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes:
        shards: Shards planned.
        samples: Samples read.
        failures: Source samples that the reports name as dropped.
        problems: What is wrong, a sentence each; at most 20 a shard.
    """

    shards: int
    samples: int
    failures: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(folder: Path, *, threads: int | None = None) -> Verification:
    """Re-read a dataset: plan, reports, digests, indices, names, json, images, masks, sums.

    Args:
        folder: A dataset that augment wrote.
        threads: CPU threads for decoding; default: all that this process may use.

    Raises:
        ShardError: The folder holds no dataset, or its plan cannot be read.
    """
    outputs, image_format = _read_plan(folder)
    decoder = Decoder(threads=threads or len(os.sched_getaffinity(0)), max_side=MAX_SIDE)
    problems = list(_foreign_files(folder, outputs))
    keys: Counter[str] = Counter()
    samples = failures = 0
    for output in outputs:
        check = _ShardCheck(folder, output, image_format, decoder)
        check.run()
        problems += [f"{output}: {problem}" for problem in check.found()]
        keys.update(check.keys)
        samples, failures = samples + len(check.keys), failures + check.failures
    problems += [f"the key {key!r} occurs {count} times in the dataset" for key, count in keys.items() if count > 1]
    return Verification(shards=len(outputs), samples=samples, failures=failures, problems=tuple(problems))


def _read_plan(folder: Path) -> tuple[list[str], str]:
    file = plan_file(folder)
    if not file.is_file():
        hint = "give the folder that `augengine augment --out` wrote; other WebDatasets cannot be verified"
        raise ShardError(f"{folder} holds no plan ({OWN_FOLDER}/{file.name})", hint=hint)
    plan = read_json(file)
    try:
        return [str(job["output"]) for job in plan["jobs"]], str(plan["spec"]["image_format"])
    except (KeyError, TypeError) as error:
        raise ShardError(f"the plan {file} lacks {error}", hint="was it written by another version?") from error


def _foreign_files(folder: Path, outputs: Sequence[str]) -> Iterator[str]:
    ours = {f"{output}{ending}" for output in outputs for ending in (".tar", ".idx")}
    for name in sorted(entry.name for entry in folder.iterdir()):
        if name not in ours and not name.startswith("."):
            yield f"{name} is not part of the dataset; readers may take it for data"


@dataclass(slots=True)
class _ShardCheck:
    """Checks one shard, member by member, and gathers what is wrong."""

    folder: Path
    output: str
    image_format: str
    decoder: Decoder
    keys: list[str] = field(default_factory=list)
    failures: int = 0
    _problems: list[str] = field(default_factory=list)
    _index: list[str] = field(default_factory=list)
    _sums: _Sums = field(default_factory=lambda: _Sums())

    def run(self) -> None:
        report = self._report()
        if report is None:
            return
        self.failures = len(report.failures)
        if report.error:
            self._say(f"it failed: {report.error}; run augment again")
            return
        file = tar_file(self.folder, self.output)
        if not report.sha256:
            if file.exists():
                self._say("its report says that it holds no sample, yet there is a tar")
            return
        if not file.is_file():
            self._say("the tar is missing, though its report says it was written")
            return
        self._check_bytes(file, report)
        self._check_samples(file)
        self._check_index()
        self._check_report(report)

    def found(self) -> list[str]:
        """The problems, cut where they would flood the screen."""
        more = len(self._problems) - _MOST_PROBLEMS
        return self._problems[:_MOST_PROBLEMS] + ([f"and {more} more problems"] if more > 0 else [])

    def _say(self, problem: str) -> None:
        self._problems.append(problem)

    def _report(self) -> Report | None:
        try:
            report = read_report(self.folder, self.output)
        except ShardError as error:
            self._say(error.message)
            return None
        if report is None:
            self._say("not written yet: it is planned and has no report; run augment again")
        return report

    def _check_bytes(self, file: Path, report: Report) -> None:
        if (size := file.stat().st_size) != report.size:
            self._say(f"the tar has {size} bytes, its report says {report.size}")
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != report.sha256:
            self._say(f"the tar's sha256 is {found[:12]}..., its report says {report.sha256[:12]}...")

    def _check_samples(self, file: Path) -> None:
        batch: list[tuple[str, Members]] = []
        try:
            for key, members in self._read(file):
                self.keys.append(key)
                batch.append((key, members))
                if len(batch) == _BATCH:
                    self._check_batch(batch)
                    batch = []
        except (tarfile.TarError, OSError, EOFError) as error:
            self._say(f"the tar is damaged: {error}")
        self._check_batch(batch)

    def _read(self, file: Path) -> Iterator[tuple[str, Members]]:
        """The samples of the tar as they are, and the index that fits them."""
        current, members, line = "", Members(), list[str]()
        with tarfile.open(file, "r|") as tar:
            for info in tar:
                key, _, extension = info.name.partition(".")
                stream = tar.extractfile(info)
                if not info.isreg() or stream is None or not key or "/" in key:
                    self._say(f"the member {info.name!r} is no member of a sample")
                    continue
                if key != current:
                    if current:
                        yield self._finish(current, members, line)
                    current, members, line = key, {}, []
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
            found = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            self._say(f"the index cannot be read: {error}")
            return
        if found != wanted:
            self._say("the index does not fit the tar; make it again with wds2idx")

    def _check_batch(self, batch: Sequence[tuple[str, Members]]) -> None:
        images = self.decoder.decode([members.get(self.image_format, b"") for _, members in batch])
        for (key, members), image in zip(batch, images, strict=True):
            for problem in _check_sample(key, members, image, self.image_format, self._sums):
                self._say(f"{key}: {problem}")

    def _check_report(self, report: Report) -> None:
        if report.samples_out != len(self.keys):
            self._say(f"it holds {len(self.keys)} samples, its report says {report.samples_out}")
        for name, found in self._sums.as_reported().items():
            if (stated := getattr(report, name)) != found:
                self._say(f"{name} is {found}, its report says {stated}")


def _check_sample(
    key: str, members: Members, image: RgbImage | ContentError, image_format: str, sums: _Sums
) -> Iterator[str]:
    own = [extension for extension in (image_format, MASK_EXT, "json") if extension in members]
    if list(members) != own + sorted(members.keys() - set(own)):
        yield f"its members are {', '.join(members)}, not in their fixed order"
    yield from _check_json(key, members.get("json"))
    mask: Mask | None = None
    if MASK_EXT in members:
        try:
            mask = read_mask(members[MASK_EXT], max_side=MAX_SIDE)
        except ContentError as error:
            yield error.message
    if isinstance(image, ContentError):
        yield image.message if image_format in members else f"it has no .{image_format}"
        return
    if mask is not None and mask.shape != image.shape[:2]:
        yield f"its mask is {mask.shape[1]} x {mask.shape[0]} px, its image {image.shape[1]} x {image.shape[0]}"
    sums.add(image, mask)


def _check_json(key: str, data: bytes | None) -> Iterator[str]:
    try:
        record: Any = json.loads(data) if data is not None else None
    except (ValueError, RecursionError) as error:
        yield f"its json cannot be read: {error}"
        return
    if not isinstance(record, Mapping):
        yield "it has no json object"
        return
    if lacking := [name for name in JSON_FIELDS if name not in record]:
        yield f"its json lacks {', '.join(lacking)}"
        return
    if not isinstance(record["variant"], int) or variant_key(str(record["source_key"]), record["variant"]) != key:
        yield f"its json says variant {record['variant']} of {record['source_key']!r}"


@dataclass(slots=True)
class _Sums:
    """The sums of a report, computed again."""

    pixels: int = 0
    channel_sum: list[int] = field(default_factory=lambda: [0, 0, 0])
    channel_sum_sq: list[int] = field(default_factory=lambda: [0, 0, 0])
    class_pixels: Counter[int] = field(default_factory=Counter)

    def add(self, image: RgbImage, mask: Mask | None) -> None:
        self.pixels += image.shape[0] * image.shape[1]
        for channel in range(3):
            values = image[..., channel].astype(np.int64)
            self.channel_sum[channel] += int(values.sum())
            self.channel_sum_sq[channel] += int((values * values).sum())
        if mask is not None:
            counts = np.bincount(mask.ravel())
            self.class_pixels.update({int(i): int(counts[i]) for i in np.flatnonzero(counts)})

    def as_reported(self) -> dict[str, Any]:
        return {
            "pixels": self.pixels,
            "channel_sum": tuple(self.channel_sum),
            "channel_sum_sq": tuple(self.channel_sum_sq),
            "class_pixels": dict(self.class_pixels),
        }
