"""What a run would make, and what it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augengine.chain.pair import EnginesSpec
from augengine.jobs import Report
from augengine.progress import counted, readable_bytes, readable_seconds
from augengine.runs import Outcome
from augengine.storage import AnyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a run would make.

    Attributes:
        samples_in, samples_out: Source samples, and samples written.
        shards: How many.
        gigabytes: Size of the output in GB, estimated from the pixels.
        minutes: From one measured pass.
        engines: What would run, in words.
        gated: Whether a gate may leave some of them out.
        notes: What a user should know of the source, a sentence each.
    """

    samples_in: int
    samples_out: int
    shards: int
    gigabytes: float
    minutes: float
    engines: str
    gated: bool = False
    notes: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Say in a line what the run would make, and how long it would take."""
        become = f"become {'at most ' if self.gated else ''}{self.samples_out} in {counted(self.shards, 'shard')}"
        costs = f"about {readable_bytes(1e9 * self.gigabytes)} in {readable_seconds(60 * self.minutes)}"
        return f"{counted(self.samples_in, 'sample')} {become}, {costs} ({self.engines})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Summary:
    """What a run of `augment` left.

    Attributes:
        outcome: What became of every sample and shard.
        engines: What ran.
        verdict: What was found of the pair, as plain json values; empty if nobody looked.
    """

    outcome: Outcome
    engines: EnginesSpec
    verdict: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Summary: {self.sentence()}>"

    @property
    def folder(self) -> AnyPath:
        """The dataset."""
        return self.outcome.folder

    @property
    def reports(self) -> tuple[Report, ...]:
        """One report per shard of the plan, those of earlier runs included."""
        return self.outcome.reports

    @property
    def resumed(self) -> int:
        """Shards that were committed before this run."""
        return self.outcome.resumed

    @property
    def samples_out(self) -> int:
        """Samples written."""
        return self.outcome.samples_out

    @property
    def failed_samples(self) -> int:
        """Samples dropped."""
        return self.outcome.failed_samples

    @property
    def failed_shards(self) -> int:
        """Shards that could not be made."""
        return self.outcome.failed_shards

    def complete(self, allow_failures: int = 0) -> bool:
        """Whether every shard was made, with at most that many bad samples."""
        return self.outcome.complete(allow_failures)

    def failure_lines(self) -> list[str]:
        """Each dropped sample and each failed shard, with its reason."""
        return self.outcome.failure_lines()

    def sentence(self) -> str:
        """Say in a line what was made, and what is missing."""
        made = f"{counted(self.samples_out, 'sample')} {self.outcome.in_shards()}"
        return f"{made}, {self.engines.in_words}{self.outcome.shortfall()}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        engines = {"precision": self.engines.precision, "why": self.engines.why}
        return self.outcome.to_json() | engines | {"verdict": dict(self.verdict)}
