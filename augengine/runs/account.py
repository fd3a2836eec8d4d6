"""What became of every source sample: written, failed, quarantined, emptied or left to do; of each, one of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from augengine.errors import ShardError
from augengine.jobs import Job, Report
from augengine.runs.plan import Plan, committed_or_damaged
from augengine.runs.quarantine import remembered
from augengine.shards.becomes import Becomes
from augengine.shards.layout import report_file
from augengine.storage import AnyPath

ShardState = Literal["done", "failed", "left"]


@dataclass(frozen=True, slots=True)
class Loss:
    """A source sample that is not in the dataset.

    Attributes:
        key: Its key; of a failed shard's quarantined ones, whose keys nobody read, the ordinal within its source.
        reason: Why.
        quarantined: Whether it killed workers, and later runs leave it out.
    """

    key: str
    reason: str
    quarantined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardAccount:
    """A shard's samples, sorted by what became of them.

    Attributes:
        output: Name of the shard.
        state: Committed; failed in the last run that tried it; or not made yet.
        planned: Source samples.
        losses: The samples that are known by name to be missing.
        error: Why the shard failed; of one that is left, why its report cannot be read.
        samples_out, size, sha256: Samples, bytes and SHA-256 of the tar, where there is one.
        left_out: Key of a variant that the gate left out -> structural similarity of its counterstain.
        emptied: Source samples of which nothing is written, because the gate left all their variants out.

    Raises:
        ShardError: The counts do not add up.
    """

    output: str
    state: ShardState
    planned: int
    losses: tuple[Loss, ...] = ()
    error: str = ""
    samples_out: int = 0
    size: int = 0
    sha256: str = ""
    left_out: Mapping[str, float] = field(default_factory=dict)
    emptied: int = 0

    def __post_init__(self) -> None:
        if len(self.losses) > self.planned or (self.state == "left" and self.losses):
            raise ShardError(f"{self.output}: {len(self.losses)} of {self.planned} samples are missing by its report")

    @property
    def left(self) -> int:
        """Source samples that no run is through with."""
        return self.planned if self.state == "left" else 0

    @property
    def quarantined(self) -> int:
        """Source samples that killed workers."""
        return sum(loss.quarantined for loss in self.losses)

    @property
    def written(self) -> int:
        """Source samples that are in the tar, as one sample or more."""
        return self.planned - len(self.losses) - self.emptied if self.state == "done" else 0

    @property
    def failed(self) -> int:
        """Bad source samples; of a failed shard all that are not quarantined."""
        return self.planned - self.left - self.written - self.quarantined - self.emptied


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a dataset: one of each shard of its plan, in order."""

    shards: tuple[ShardAccount, ...]

    def total(self, name: str) -> int:
        """The sum over the shards: of ``planned``, ``left``, ``written``, ``failed``, ``emptied`` and so on."""
        return sum(getattr(shard, name) for shard in self.shards)

    def in_state(self, state: ShardState) -> int:
        """How many shards are done, failed or left."""
        return sum(shard.state == state for shard in self.shards)

    @property
    def samples_in(self) -> int:
        """Source samples of the plan: written + failed + quarantined + emptied + left."""
        return self.total("planned")

    def samples(self) -> dict[str, int]:
        """What became of the source samples, and how many samples were written: the same keys in every json."""
        found = {name: self.total(name) for name in ("written", "failed", "quarantined", "emptied", "left")}
        return {"in": self.samples_in, **found, "out": self.total("samples_out")}

    def states(self) -> dict[str, int]:
        """What became of the shards: the same keys in every json."""
        found = {state: self.in_state(state) for state in get_args(ShardState)}
        return {"planned": len(self.shards), **found}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "samples": self.samples(),
            "shards": self.states(),
            "bytes": self.total("size"),
            "failures": [
                {"shard": output, "key": loss.key, "reason": loss.reason, "quarantined": loss.quarantined}
                for output, loss in self.losses()
            ],
            "left_out": self.left_out,
            "failed_shards": {shard.output: shard.error for shard in self.shards if shard.state == "failed"},
        }

    @property
    def left_out(self) -> dict[str, float]:
        """Each variant that the gate left out -> structural similarity of its counterstain."""
        return {key: ssim for shard in self.shards for key, ssim in shard.left_out.items()}

    def losses(self) -> list[tuple[str, Loss]]:
        """Each missing sample that has a name, with its shard."""
        return [(shard.output, loss) for shard in self.shards for loss in shard.losses]

    def by_reason(self) -> dict[str, list[str]]:
        """The failures of samples and shards: reason -> names, what is most frequent first."""
        found: dict[str, list[str]] = {}
        for shard in self.shards:
            for name, reason in [(shard.output, shard.error), *((loss.key, loss.reason) for loss in shard.losses)]:
                if reason:
                    found.setdefault(reason, []).append(name)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def take_account(folder: AnyPath, plan: Plan, errors: Mapping[str, str]) -> Account:
    """The account of a dataset, by its files.

    Args:
        folder: The dataset.
        plan: Its plan.
        errors: Why shards failed, by output: of those no report is left behind.

    Raises:
        ShardError: A report does not fit the plan: its counts do not add up.
    """
    (reports, damaged), quarantine = committed_or_damaged(folder, plan), remembered(folder, plan.jobs)
    becomes = Becomes.of(plan.kind, plan.spec)
    return Account(
        tuple(
            _of_shard(folder, job, reports.get(job.output), quarantine.get(job.output, {}), errors, becomes)
            if job.output not in damaged
            else ShardAccount(output=job.output, state="left", planned=job.count, error=damaged[job.output])
            for job in plan.jobs
        )
    )


def _of_shard(
    folder: AnyPath,
    job: Job,
    report: Report | None,
    quarantined: Mapping[int, str],
    errors: Mapping[str, str],
    becomes: Becomes,
) -> ShardAccount:
    if report is not None:
        _check_counts(folder, job, report, becomes)
        return ShardAccount(
            output=job.output,
            state="done",
            planned=job.count,
            losses=_losses(report, quarantined),
            samples_out=report.samples_out,
            size=report.size,
            sha256=report.sha256,
            left_out=report.left_out,
            emptied=becomes.emptied(report),
        )
    if error := errors.get(job.output, ""):
        lost = tuple(Loss(f"sample {n} of {job.source}", reason, True) for n, reason in sorted(quarantined.items()))
        return ShardAccount(output=job.output, state="failed", planned=job.count, losses=lost, error=error)
    return ShardAccount(output=job.output, state="left", planned=job.count)


def _check_counts(folder: AnyPath, job: Job, report: Report, becomes: Becomes) -> None:
    if report.samples_in != job.count or not becomes.fits(report):
        raise ShardError(
            f"{report_file(folder, job.output)} does not add up: {job.count} samples planned, {report.samples_in} in, "
            f"{len(report.failures)} failed, {len(report.left_out)} variants left out, {report.samples_out} out",
            hint="delete it and run again: its shard is made anew",
        )


def _losses(report: Report, quarantined: Mapping[int, str]) -> tuple[Loss, ...]:
    """A report names failures by key, the quarantine samples by ordinal; they meet in the reason."""
    open_reasons, losses = Counter(quarantined.values()), []
    for failure in report.failures:
        is_quarantined = open_reasons[failure.reason] > 0
        open_reasons[failure.reason] -= is_quarantined
        losses.append(Loss(failure.key, failure.reason, is_quarantined))
    return tuple(losses)
