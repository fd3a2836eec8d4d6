"""What a run would make, and what it made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from augengine.chain.pair import EnginesSpec
from augengine.jobs import Report
from augengine.progress import counted
from augengine.storage import AnyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a run would make.

    Attributes:
        samples_in, samples_out: Source samples, and samples written.
        shards: How many.
        gigabytes: Of output, estimated from the pixels.
        minutes: From one measured pass.
        engines: What would run, in words.
    """

    samples_in: int
    samples_out: int
    shards: int
    gigabytes: float
    minutes: float
    engines: str

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return {name: getattr(self, name) for name in self.__slots__}

    def sentence(self) -> str:
        """For a person."""
        return (
            f"{counted(self.samples_in, 'sample')} become {self.samples_out} in {counted(self.shards, 'shard')}, "
            f"about {self.gigabytes:.2g} GB in {self.minutes:.2g} minutes ({self.engines})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run left: every shard of the plan has a report here, those of earlier runs included.

    Attributes:
        folder: The dataset.
        reports: One a job.
        resumed: How many shards were committed before this run.
        seconds: Of this run's augmenting.
        engines: What ran.
    """

    folder: AnyPath
    reports: tuple[Report, ...]
    resumed: int
    seconds: float
    engines: EnginesSpec

    @property
    def samples_out(self) -> int:
        """Samples written."""
        return sum(report.samples_out for report in self.reports)

    @property
    def failed_samples(self) -> int:
        """Samples dropped."""
        return sum(len(report.failures) for report in self.reports)

    @property
    def failed_shards(self) -> int:
        """Shards that could not be made."""
        return sum(bool(report.error) for report in self.reports)

    def complete(self, allow_failures: int = 0) -> bool:
        """Whether every shard was made, with at most that many bad samples."""
        return self.failed_shards == 0 and self.failed_samples <= allow_failures

    def failure_lines(self) -> list[str]:
        """Each dropped sample and each failed shard, with its reason."""
        shards = [f"{report.output}: {report.error}" for report in self.reports if report.error]
        return shards + [f"{bad.key}: {bad.reason}" for report in self.reports for bad in report.failures]

    def sentence(self) -> str:
        """For a person."""
        made = len(self.reports) - self.failed_shards
        text = f"{counted(self.samples_out, 'sample')} in {counted(made, 'shard')} in {self.folder}/"
        text += f", {self.engines.precision}"
        text += f", {counted(self.resumed, 'shard')} from an earlier run" if self.resumed else ""
        text += f", {counted(self.failed_samples, 'bad sample')}" if self.failed_samples else ""
        return text + (f", {counted(self.failed_shards, 'shard')} failed: run again" if self.failed_shards else "")

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return {
            "folder": str(self.folder),
            "shards": len(self.reports) - self.failed_shards,
            "shards_failed": self.failed_shards,
            "shards_resumed": self.resumed,
            "samples_in": sum(report.samples_in for report in self.reports),
            "samples_out": self.samples_out,
            "bytes": sum(report.size for report in self.reports),
            "seconds": round(self.seconds, 3),
            "precision": self.engines.precision,
            "why": self.engines.why,
            "failures": self.failure_lines(),
        }
