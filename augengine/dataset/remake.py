"""Make one sample of a dataset again and compare the bytes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from augengine.dataset.check import passes_through
from augengine.dataset.load import load_chain
from augengine.dataset.members import encode_sample
from augengine.dataset.reopen import Reopened, draw, read_sources, reopen
from augengine.errors import ShardError
from augengine.jobs import Job
from augengine.sample import Failure, Sample
from augengine.shards.layout import index_file, tar_file
from augengine.shards.listed import MAX_INDEX_BYTES
from augengine.shards.read import read_members
from augengine.shards.records import read_report
from augengine.storage import AnyPath, read_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A sample made again, beside what the dataset holds.

    Attributes:
        key: The sample's key, variant suffix included.
        shard: Where it stands.
        differing: Extensions of the members whose bytes differ, or that only one side has.
    """

    key: str
    shard: str
    differing: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every byte is the same."""
        return not self.differing

    def sentence(self) -> str:
        """Say in a line whether the sample was made again byte for byte."""
        verdict = "made again, the same bytes" if self.same else f"differs in {', '.join(self.differing)}"
        return f"{self.key} in {self.shard}: {verdict}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"key": self.key, "shard": self.shard, "same": self.same, "differing": list(self.differing)}


def replay(folder: AnyPath, key: str) -> Replayed:
    """Make one sample of a dataset again and compare the bytes.

    Args:
        folder: The dataset.
        key: The sample's key, as ``tile_7-v0001``.

    Raises:
        ShardError: No dataset, no such sample, or its source is no longer what it was.
        EngineError: Its engines are missing here, or belong to another machine.
    """
    dataset = reopen(folder)
    job = _find(dataset, key)
    sample = _source_of(dataset, job, key)
    made = _make(dataset, sample).get(key, {})
    stored = read_members(str(tar_file(folder, job.output)), key)
    differing = sorted(ext for ext in made.keys() | stored.keys() if made.get(ext) != stored.get(ext))
    return Replayed(key=key, shard=job.output, differing=tuple(differing))


def _find(dataset: Reopened, key: str) -> Job:
    for job in dataset.plan.jobs:
        if f" {key}." in _index_of(dataset, job):
            return job
    for job in dataset.plan.jobs:
        report = read_report(dataset.folder, job.output)
        if report is not None and key in report.left_out:
            raise ShardError(f"the gate left out {key}, whose counterstain's SSIM is {report.left_out[key]:g}")
    raise ShardError(f"no sample {key!r} in {dataset.folder}", hint="its variant suffix belongs to the key: k-v0001")


def _index_of(dataset: Reopened, job: Job) -> str:
    """The text of a shard's index; empty if the shard has none."""
    file = index_file(dataset.folder, job.output)
    try:
        return (read_whole(file, limit=MAX_INDEX_BYTES) or b"").decode(errors="replace")
    except OSError as error:
        raise ShardError(
            f"the index {file} cannot be read: {error}", hint="make it again with DALI's wds2idx"
        ) from error


def _source_of(dataset: Reopened, job: Job, key: str) -> Sample:
    wanted = key.rpartition("-v")[0]
    for sample in read_sources(dataset, job):
        if sample.key == wanted and isinstance(sample, Sample):
            return sample
    raise ShardError(
        f"the source of {key!r} is gone from {job.source}", hint="restore the input, or make a new dataset"
    )


def _make(dataset: Reopened, sample: Sample) -> dict[str, dict[str, bytes]]:
    """Everything that became of a source: key -> extension -> bytes."""
    drawn = None
    if not passes_through(sample, dataset.spec):
        with closing(load_chain(dataset.worker)) as chain:
            drawn = draw(chain, sample)
    if isinstance(drawn, Failure):
        raise ShardError(f"the source {sample.key!r} has gone bad: {drawn.reason}", hint="restore the input")
    encoded = encode_sample(sample, drawn, dataset.spec, dataset.worker.engines)
    return {key: dict(members) for key, members in encoded.variants}
