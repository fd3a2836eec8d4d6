"""What became of some slides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from augengine.jobs import Report
from augengine.progress import counted
from augengine.runs import Outcome
from augengine.shards.layout import OWN_FOLDER
from augengine.storage import AnyPath
from augengine.tiling.classes import count_classes
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey

_SLIDES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TileSummary:
    """What a run of `tile` left, those before it included.

    Attributes:
        outcome: What became of every tile and shard.
        spec: What was asked for.
        surveys: One per slide.
    """

    outcome: Outcome
    spec: TileSpec
    surveys: tuple[Survey, ...]

    def __repr__(self) -> str:
        return f"<TileSummary: {self.sentence()}>"

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

    def sentence(self) -> str:
        """Say in a sentence what was tiled and what failed."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items())
        slides = counted(len(self.surveys) - self.failed_slides, "slide")
        text = f"{counted(self.tiles, 'tile')} ({kinds or 'none'}) of {slides} {self.outcome.in_shards()}"
        text += f", {counted(self.failed_slides, 'slide')} failed" if self.failed_slides else ""
        text += self.outcome.shortfall()
        return f"{text}; pictures of what was chosen: {self.folder}/{OWN_FOLDER}/slides/*.png"

    def objects_sentence(self) -> str:
        """Say how many objects of each class there are, and the mask pixels of each id; empty without classes."""
        objects = count_classes(self.surveys, self.spec).sentence()
        shown = f"{counted(self.outcome.annotated, 'tile')} with mask pixels: {self._mask_pixels()}"
        return f"{objects}; {shown}" if objects else ""

    def _mask_pixels(self) -> str:
        """The pixels of each id, with the names of its classes: ``19600 of 1 (glomerulus)``."""
        found = self.outcome.class_pixels
        names: dict[int, list[str]] = {}
        for name, number in self.spec.classes:
            names.setdefault(number, []).append(name)
        return ", ".join(f"{found.get(n, 0)} of {n} ({', '.join(of)})" for n, of in names.items() if n)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        about = about_slides(self.surveys, self.spec)
        return self.outcome.to_json() | about | {"complete": self.complete()}


def about_slides(surveys: Sequence[Survey], spec: TileSpec) -> dict[str, Any]:
    """What is known of the slides of a run, as plain json values: for its result and for the summary on disk."""
    failed = {survey.slide.key: survey.error for survey in surveys if survey.error}
    return {
        "slides": {"in": len(surveys), "failed": len(failed)},
        "failed_slides": failed,
        "kinds": dict(Counter(place.kind for survey in surveys for place in survey.places)),
        **count_classes(surveys, spec).to_json(),
    }


def note_lines(surveys: Sequence[Survey], found: Sequence[str]) -> Iterator[str]:
    """How the slides were found, and each thing that could not be done as asked, with the slides that have it."""
    yield from found
    slides: dict[str, list[str]] = {}
    for survey in surveys:
        for problem in survey.problems:
            slides.setdefault(problem, []).append(survey.slide.key)
    for problem, keys in slides.items():
        more = f" and {len(keys) - _SLIDES_SHOWN} more" if len(keys) > _SLIDES_SHOWN else ""
        yield f"{', '.join(keys[:_SLIDES_SHOWN])}{more}: {problem}"
