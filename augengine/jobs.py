"""A job, and the report of what became of it: the two values that travel between driver and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from augengine.errors import AugengineError
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

    index: int
    source: str
    first: int
    count: int
    size: int
    digest: str
    output: str
    excluded: Mapping[int, str] = field(default_factory=dict)
    apart: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"excluded": {str(k): v for k, v in sorted(self.excluded.items())}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        excluded = {int(k): v for k, v in data["excluded"].items()}
        return cls(**{**data, "output": checked_output(data["output"]), "excluded": excluded})


def checked_output(name: object) -> str:
    """The name of a shard as a plan says it.

    Raises:
        ValueError: It is no text that can be printed, or it leads out of the dataset's folder.
    """
    if not isinstance(name, str) or "/" in name or "\\" in name or not name.isprintable() or name in ("", ".", ".."):
        raise ValueError(f"a shard's name that stays in its folder, got {str(name)[:80]!r}")
    return name


_COUNTED_BY_NAME = ("skipped", "members", "patients")
_COUNTS = ("samples_in", "samples_out", "size", "pixels", "annotated")


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
    samples_in: int = 0
    samples_out: int = 0
    failures: tuple[Failure, ...] = ()
    error: str = ""
    sha256: str = ""
    size: int = 0
    input_sha256: str = ""
    pixels: int = 0
    channel_sum: tuple[int, int, int] = (0, 0, 0)
    channel_sum_sq: tuple[int, int, int] = (0, 0, 0)
    class_pixels: Mapping[int, int] = field(default_factory=dict)
    annotated: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, float] = field(default_factory=dict)
    members: Mapping[str, int] = field(default_factory=dict)
    patients: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"class_pixels": {str(k): v for k, v in sorted(self.class_pixels.items())}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            TypeError, ValueError, KeyError, AttributeError: Fields that are unknown, missing or of another type.
        """
        for name in _COUNTS:
            if type(data.get(name, 0)) is not int or data.get(name, 0) < 0:
                raise ValueError(f"{name} is {str(data[name])[:80]!r}, no count")
        for name in ("output", "error", "sha256", "input_sha256"):
            if not isinstance(data.get(name, ""), str):
                raise TypeError(f"{name} is {str(data[name])[:80]!r}, no text")
        return cls(
            **{
                **data,
                "failures": tuple(Failure(**failure) for failure in data["failures"]),
                "channel_sum": tuple(data["channel_sum"]),
                "channel_sum_sq": tuple(data["channel_sum_sq"]),
                "class_pixels": {int(k): v for k, v in data["class_pixels"].items()},
                **{name: {str(k): int(v) for k, v in data.get(name, {}).items()} for name in _COUNTED_BY_NAME},
                "left_out": {str(k): float(v) for k, v in data.get("left_out", {}).items()},
            }
        )


def failure_reason(error: BaseException) -> str:
    """An error as a report states it: our own with their hint, foreign ones with their kind."""
    if isinstance(error, AugengineError):
        return error.sentence
    if isinstance(error, MemoryError):
        return "out of memory (fewer --workers or --variants, or smaller images)"
    return f"{type(error).__name__}: {error}"
