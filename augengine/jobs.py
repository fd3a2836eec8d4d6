"""A job, and the report of what became of it: the two values that travel between driver and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from augengine.errors import AugengineError, SpecError
from augengine.json_values import Count
from augengine.sample import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One shard to make.

    Attributes:
        index: Position in the plan, from 0.
        source: Where the samples are: a tar's URL, or a folder.
        first: Ordinal of its first sample within that source.
        count: How many samples, good and bad.
        size: Bytes of its inputs.
        digest: blake2b over the names and sizes of its inputs.
        output: Name of the shard, without an extension.
        excluded: Samples known to be bad when planned (key collisions): ordinal within the source -> reason.
        apart: Whether the source is a tar whose headers must be read before its samples.
    """

    index: Count
    source: str
    first: Count
    count: Count
    size: Count
    digest: str
    output: str
    excluded: Mapping[int, str] = field(default_factory=dict)
    apart: bool = False

    def __post_init__(self) -> None:
        check_output(self.output)


def check_output(name: str) -> None:
    """Refuse the name of a shard that cannot be printed, or that leads out of the dataset's folder.

    Raises:
        SpecError: It does.
    """
    if "/" in name or "\\" in name or not name.isprintable() or name in ("", ".", ".."):
        raise SpecError(f"a shard's name stays in its folder, got {name[:80]!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a job. Written last, beside the shard: it is the mark that the shard is committed.

    It depends on the input, the spec, the engines and the encoder alone: no time, host or worker in it.

    Attributes:
        output: Name of the shard, without an extension.
        samples_in: Source samples read, good and bad.
        samples_out: Samples written: variants, and sources where they are included.
        failures: Dropped samples with reasons, in source order.
        error: Why the whole shard failed; empty if it was made.
        sha256: Digest of the tar; empty if it failed or holds no sample.
        size: Bytes of the tar.
        input_sha256: Digest over the source bytes that were read, in order; of tiles, over their keys and
            the fingerprints of slide and annotations.
        pixels: Pixels of the images written.
        channel_sum: Sum of the 8-bit values written, per channel R, G, B.
        channel_sum_sq: Sum of their squares.
        class_pixels: Class id -> pixels over the masks written.
        annotated: Samples written whose mask shows a class other than 0.
        skipped: Class -> source samples that were written unchanged because of it.
        left_out: Key of a variant that the gate left out -> structural similarity of its counterstain.
        members: Extension -> samples written that have a member of that name.
        patients: Patient -> source samples of which something was written; those of nobody known are not counted.
    """

    output: str
    samples_in: Count = 0
    samples_out: Count = 0
    failures: tuple[Failure, ...] = ()
    error: str = ""
    sha256: str = ""
    size: Count = 0
    input_sha256: str = ""
    pixels: Count = 0
    channel_sum: tuple[int, int, int] = (0, 0, 0)
    channel_sum_sq: tuple[int, int, int] = (0, 0, 0)
    class_pixels: Mapping[int, Count] = field(default_factory=dict)
    annotated: Count = 0
    skipped: Mapping[str, Count] = field(default_factory=dict)
    left_out: Mapping[str, float] = field(default_factory=dict)
    members: Mapping[str, Count] = field(default_factory=dict)
    patients: Mapping[str, Count] = field(default_factory=dict)


def failure_reason(error: BaseException) -> str:
    """An error as a report states it: our own with their hint, foreign ones with their kind."""
    if isinstance(error, AugengineError):
        return error.sentence
    if isinstance(error, MemoryError):
        return "out of memory (fewer --workers or --variants, or smaller images)"
    return f"{type(error).__name__}: {error}"
