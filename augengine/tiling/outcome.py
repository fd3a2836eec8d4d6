"""What became of some slides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from augengine.jobs import Report
from augengine.progress import counted
from augengine.shards.layout import OWN_FOLDER
from augengine.storage import AnyPath
from augengine.tiling.survey import Survey


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSummary:
    """What a run left, those before it included.

    Attributes:
        folder: The source shards.
        surveys: One a slide.
        reports: One a shard.
        resumed: How many shards were committed before this run.
    """

    folder: AnyPath
    surveys: tuple[Survey, ...]
    reports: tuple[Report, ...]
    resumed: int

    @property
    def tiles(self) -> int:
        """Tiles written."""
        return sum(report.samples_out for report in self.reports)

    @property
    def kinds(self) -> dict[str, int]:
        """Tiles chosen, by what they are."""
        return dict(Counter(place.kind for survey in self.surveys for place in survey.places))

    @property
    def failed_shards(self) -> int:
        """Shards that could not be made."""
        return sum(bool(report.error) for report in self.reports)

    @property
    def failures(self) -> int:
        """Slides that could not be tiled, and tiles that could not be read."""
        return sum(bool(survey.error) for survey in self.surveys) + sum(len(r.failures) for r in self.reports)

    def complete(self, allow_failures: int = 0) -> bool:
        """Whether every shard was made, with at most that many slides and tiles that failed."""
        return self.failed_shards == 0 and self.failures <= allow_failures

    def failure_lines(self) -> list[str]:
        """Each slide, shard and tile that failed, with its reason."""
        slides = [f"{survey.slide.key}: {survey.error}" for survey in self.surveys if survey.error]
        shards = [f"{report.output}: {report.error}" for report in self.reports if report.error]
        return slides + shards + [f"{bad.key}: {bad.reason}" for report in self.reports for bad in report.failures]

    def problem_lines(self) -> list[str]:
        """What could not be done as asked, though the slide was tiled."""
        return [f"{survey.slide.key}: {problem}" for survey in self.surveys for problem in survey.problems]

    def sentence(self) -> str:
        """For a person."""
        slides = len(self.surveys) - sum(bool(survey.error) for survey in self.surveys)
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items())
        text = f"{counted(self.tiles, 'tile')} ({kinds or 'none'}) of {counted(slides, 'slide')} in "
        text += f"{counted(len(self.reports) - self.failed_shards, 'shard')} in {self.folder}/"
        text += f", {counted(self.resumed, 'shard')} from an earlier run" if self.resumed else ""
        text += f"; {counted(self.failures, 'failure')}" if self.failures else ""
        return f"{text}; pictures of what was chosen: {self.folder}/{OWN_FOLDER}/slides/*.png"

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return {
            "folder": str(self.folder),
            "slides": len(self.surveys),
            "shards": len(self.reports),
            "tiles": self.tiles,
            "kinds": self.kinds,
            "resumed": self.resumed,
            "failures": self.failure_lines(),
            "problems": self.problem_lines(),
            "complete": self.complete(),
        }
