"""What became of some slides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from augengine.jobs import Report
from augengine.progress import counted
from augengine.runs import Outcome
from augengine.shards.layout import OWN_FOLDER
from augengine.storage import AnyPath
from augengine.tiling.survey import Survey


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSummary:
    """What a run of `tile` left, those before it included.

    Attributes:
        outcome: What became of every tile and shard.
        surveys: One per slide.
    """

    outcome: Outcome
    surveys: tuple[Survey, ...]

    @property
    def folder(self) -> AnyPath:
        """The source shards."""
        return self.outcome.folder

    @property
    def reports(self) -> tuple[Report, ...]:
        """One report per shard."""
        return self.outcome.reports

    @property
    def resumed(self) -> int:
        """Shards that were committed before this run."""
        return self.outcome.resumed

    @property
    def tiles(self) -> int:
        """Tiles written."""
        return self.outcome.samples_out

    @property
    def kinds(self) -> dict[str, int]:
        """Tiles chosen, by what they are."""
        return dict(Counter(place.kind for survey in self.surveys for place in survey.places))

    @property
    def failed_slides(self) -> int:
        """Slides that could not be tiled."""
        return sum(bool(survey.error) for survey in self.surveys)

    @property
    def failed_shards(self) -> int:
        """Shards that could not be made."""
        return self.outcome.failed_shards

    @property
    def failures(self) -> int:
        """Slides that could not be tiled, and tiles that could not be read."""
        return self.failed_slides + self.outcome.failed_samples

    def complete(self, allow_failures: int = 0) -> bool:
        """Whether every shard was made, with at most that many slides and tiles that failed."""
        return self.failed_shards == 0 and self.failures <= allow_failures

    def failure_lines(self) -> list[str]:
        """Each slide, shard and tile that failed, with its reason."""
        slides = [f"{survey.slide.key}: {survey.error}" for survey in self.surveys if survey.error]
        return slides + self.outcome.failure_lines()

    def problem_lines(self) -> list[str]:
        """What could not be done as asked, though the slide was tiled."""
        return [f"{survey.slide.key}: {problem}" for survey in self.surveys for problem in survey.problems]

    def sentence(self) -> str:
        """Say in a sentence what was tiled and what failed."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items())
        slides = counted(len(self.surveys) - self.failed_slides, "slide")
        text = f"{counted(self.tiles, 'tile')} ({kinds or 'none'}) of {slides} {self.outcome.in_shards()}"
        text += f", {counted(self.failed_slides, 'slide')} failed" if self.failed_slides else ""
        text += self.outcome.shortfall()
        return f"{text}; pictures of what was chosen: {self.folder}/{OWN_FOLDER}/slides/*.png"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        failed = {survey.slide.key: survey.error for survey in self.surveys if survey.error}
        return self.outcome.to_json() | {
            "complete": self.complete(),
            "slides": {"in": len(self.surveys), "failed": len(failed)},
            "failed_slides": failed,
            "kinds": self.kinds,
            "problems": self.problem_lines(),
        }
