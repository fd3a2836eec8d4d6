"""What `--retry-failed` makes anew: shards that lack samples, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from augengine.errors import ShardError, SpecError
from augengine.jobs import Job, Report
from augengine.runs.plan import Plan, committed
from augengine.runs.quarantine import forget, remembered
from augengine.storage import AnyPath

_NOTHING = "leave out --retry-failed to begin a dataset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The shards that are tried again.

    Attributes:
        before: The reports of those that are committed, with failures: replaced whole when made anew.
        quarantined: Samples that killed workers, of any shard: output -> ordinal -> reason. They get another chance.
        found: Those that were found to do so again, in this run; filled through `noting`.
    """

    before: Mapping[str, Report] = field(default_factory=dict)
    quarantined: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    found: dict[str, set[int]] = field(default_factory=dict)

    @property
    def outputs(self) -> frozenset[str]:
        """Names of the shards."""
        return frozenset(self.before) | frozenset(self.quarantined)

    def noting(self, quarantine: Callable[[Job, int, str], None]) -> Callable[[Job, int, str], None]:
        """Remember, beside what ``quarantine`` does, which samples killed workers in this run."""

        def note(job: Job, ordinal: int, reason: str) -> None:
            self.found.setdefault(job.output, set()).add(ordinal)
            quarantine(job, ordinal, reason)

        return note

    def settle(self, folder: AnyPath, made: Mapping[str, Report]) -> dict[str, Report]:
        """Forget, after the run, the quarantined samples that came through this time.

        Shards whose retry failed keep their quarantine.

        Returns:
            The reports that hold now, of the shards that the run made.
        """
        for output in self.quarantined:
            if output in made and not made[output].error:
                forget(folder, output, keep=self.found.get(output, set()))
        return {output: self._holding(output, report) for output, report in made.items()}

    def _holding(self, output: str, report: Report) -> Report:
        return self.before.get(output, report) if report.error else report


def choose_retry(folder: AnyPath, plan: Plan | None, *, asked: bool, survives: bool) -> Retry:
    """What of a dataset is to be tried again.

    Args:
        folder: The dataset.
        plan: Its plan as it was begun, or None if there is none.
        asked: Whether the user wants it; else nothing is.
        survives: Whether the workers run in other processes, so that a sample that kills one does not end us.

    Raises:
        ShardError: There is no dataset.
        SpecError: Samples that killed workers would run in our own process.
    """
    if not asked:
        return Retry()
    if plan is None:
        raise ShardError(f"{folder} holds no dataset, so nothing in it failed", hint=_NOTHING)
    quarantined = remembered(folder, plan.jobs)
    if quarantined and not survives:
        number = sum(len(of_job) for of_job in quarantined.values())
        raise SpecError(
            f"{number} quarantined samples killed their workers, and one worker runs in this very process",
            hint="--retry-failed --workers 2: other processes survive it",
        )
    before = {output: report for output, report in committed(folder, plan).items() if report.failures}
    return Retry(before=before, quarantined=quarantined)
