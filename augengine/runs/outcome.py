"""What a run left, as one value: the printed result, every ``--json`` and the summaries are made from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from augengine.jobs import Report
from augengine.progress import counted
from augengine.runs.account import Account
from augengine.storage import AnyPath

_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run left: every shard of the plan is in it, those of earlier runs included.

    Attributes:
        folder: The dataset.
        account: What became of every sample and shard, by the files.
        reports: One report per job, in the plan's order; of a shard that failed, its error.
        resumed: Shards that were committed before this run.
        retried: Shards with failures that were tried again.
        seconds: How long this run worked on shards.
        notes: What a user should know of the source, a sentence each.
    """

    folder: AnyPath
    account: Account
    reports: tuple[Report, ...]
    resumed: int
    retried: int
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def samples_out(self) -> int:
        """Samples written."""
        return self.account.total("samples_out")

    @property
    def failed_samples(self) -> int:
        """Source samples that are named as missing from shards that were made."""
        return sum(len(report.failures) for report in self.reports)

    @property
    def failed_shards(self) -> int:
        """Shards that could not be made."""
        return sum(bool(report.error) for report in self.reports)

    @property
    def class_pixels(self) -> dict[int, int]:
        """Class id -> pixels, over all masks written."""
        found = Counter[int]()
        for report in self.reports:
            found.update(report.class_pixels)
        return dict(sorted(found.items()))

    @property
    def annotated(self) -> int:
        """Samples written whose mask shows a class other than 0."""
        return sum(report.annotated for report in self.reports)

    def complete(self, allow_failures: int = 0) -> bool:
        """Whether every shard was made, with at most that many bad samples."""
        return self.failed_shards == 0 and self.failed_samples <= allow_failures

    def failure_lines(self) -> list[str]:
        """Each dropped sample and each failed shard, with its reason."""
        shards = [f"{report.output}: {report.error}" for report in self.reports if report.error]
        return shards + [f"{bad.key}: {bad.reason}" for report in self.reports for bad in report.failures]

    def left_out_line(self) -> str:
        """How many variants the gate left out, and the least like their sources by name; empty if it left out none."""
        found = self.account.left_out
        if not found:
            return ""
        worst = ", ".join(f"{key} {ssim:g}" for key, ssim in sorted(found.items(), key=lambda item: item[1])[:_NAMED])
        line = f"the gate left out {counted(len(found), 'variant')}: {worst}" + (" ..." if len(found) > _NAMED else "")
        emptied = self.account.total("emptied")
        return line + (f"; nothing is left of {counted(emptied, 'source sample')}" if emptied else "")

    def in_shards(self) -> str:
        """How many shards were made, and where, for a sentence: ``in 3 shards in out/``."""
        made = counted(len(self.reports) - self.failed_shards, "shard")
        earlier = f", {counted(self.resumed, 'shard')} from an earlier run" if self.resumed else ""
        return f"in {made} in {self.folder}/{earlier}"

    def shortfall(self) -> str:
        """What is missing, for the end of a sentence; empty if nothing is."""
        bad = f", {counted(self.failed_samples, 'bad sample')}" if self.failed_samples else ""
        return bad + (f", {counted(self.failed_shards, 'shard')} failed: run again" if self.failed_shards else "")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "folder": str(self.folder),
            **self.account.to_json(),
            "class_pixels": {str(number): pixels for number, pixels in self.class_pixels.items()},
            "annotated_samples": self.annotated,
            "complete": self.complete(),
            "notes": list(self.notes),
            "run": {
                "seconds": round(self.seconds, 3),
                "shards_resumed": self.resumed,
                "shards_retried": self.retried,
            },
        }
