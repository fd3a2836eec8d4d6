"""Finds the sample of a job that kills its worker: half of them are tried, then half of those, and so on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from augengine.jobs import Job

_NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Found:
    """The sample that kills: its ordinal within the source."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class Blameless:
    """No single sample is to blame.

    Attributes:
        reason: Why, as the end of a sentence that begins with the worker.
        is_control: Whether the worker died without any sample.
    """

    reason: str
    is_control: bool = False


Verdict = Found | Blameless | None
"""What a search has concluded; None means that it goes on."""


@dataclass(slots=True)
class Search:
    """Narrows the samples of a job down to one.

    The first trial has no sample at all: a worker that dies of it dies of something else. A sample is found only if
    the worker died with it alone, ``confirmations`` times in a row. That all others survived does not convict it.

    A trial excludes the samples that it leaves out, and does not ask for a smaller range: a source checks a job's
    range by one digest over all of it.

    Args:
        job: The job that kills its worker. Samples that it excludes already take no part.
        confirmations: How often the last sample must kill its worker before it is found.
    """

    job: Job
    confirmations: int
    suspects: tuple[int, ...] = field(init=False)
    on_trial: tuple[int, ...] = ()
    _deaths: int = 0

    def __post_init__(self) -> None:
        self.suspects = self._included()

    @property
    def is_control(self) -> bool:
        """Whether the present trial is the one without samples."""
        return not self.on_trial

    @property
    def trial(self) -> Job:
        """The job to run now; nothing of it may be published."""
        on_trial = set(self.on_trial)
        left_out = (ordinal for ordinal in self._included() if ordinal not in on_trial)
        return replace(self.job, excluded={**self.job.excluded, **dict.fromkeys(left_out, _NOT_TRIED)})

    def died(self) -> Verdict:
        """Note that the worker died in the trial."""
        if self.is_control:
            return Blameless("dies even without its samples", is_control=True)
        self.suspects = self.on_trial
        self._deaths += 1
        if len(self.suspects) == 1 and self._deaths >= self.confirmations:
            return Found(self.suspects[0])
        self._narrow()
        return None

    def survived(self) -> Verdict:
        """Note that the worker survived the trial."""
        # All suspects were on trial, so it was the last one: the others are cleared, and now it is as well.
        if self.on_trial == self.suspects:
            return Blameless("dies of all its samples together, of none alone")
        on_trial = set(self.on_trial)
        self.suspects = tuple(ordinal for ordinal in self.suspects if ordinal not in on_trial)
        self._narrow()
        return None

    def _included(self) -> tuple[int, ...]:
        every = range(self.job.first, self.job.first + self.job.count)
        return tuple(ordinal for ordinal in every if ordinal not in self.job.excluded)

    def _narrow(self) -> None:
        # At least one: the last suspect is tried again, until its deaths are confirmed.
        half = self.suspects[: max(1, len(self.suspects) // 2)]
        if half != self.on_trial:
            # Deaths of a larger set confirm nothing: one of its workers may have been killed by chance.
            self._deaths = 0
        self.on_trial = half
