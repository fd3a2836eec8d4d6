"""The plan of a dataset: what it is made from. A run on the same folder goes on only if its plan is the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Literal, Self

from augengine.digests import canonical_json, json_digest
from augengine.errors import PlanMismatch, ShardError
from augengine.jobs import Job, Report
from augengine.progress import counted
from augengine.runs.planning import estimate_bytes
from augengine.shards.layout import (
    index_file,
    plan_file,
    quarantine_file,
    report_file,
    spool_folder,
    summary_file,
    summary_text_file,
    tar_file,
)
from augengine.shards.records import PLAN_FORMAT, read_plan_json, read_report, write_json
from augengine.shards.write import target_errors
from augengine.spec import AugmentSpec
from augengine.storage import REQUESTS_AT_A_TIME, AnyPath, UrlPath, delete, in_order, size_of, write_if_absent

_NAMED_DIFFERENCES = 3
_DAMAGED = "choose another folder for the output; the shards in this one can still be read"
_ELSEWHERE = "choose another folder for the output, or repeat the first command as it was"


Kind = Literal["augment", "tile"]
_HOLDS: dict[Kind, str] = {"augment": "augmented shards", "tile": "tiles of slides"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides the bytes of a dataset.

    Attributes:
        kind: What makes it.
        spec: What to do and how: `AugmentSpec` or `TileSpec` as json.
        source: The source as json.
        engines: Ids, size and precision of the engines, and why these; empty for tiles.
        encoder: `images.encoder_version` of the run that began it.
        jobs: One a shard, in order.
        version: Format of the plan.
    """

    spec: Mapping[str, Any]
    source: Mapping[str, Any]
    engines: Mapping[str, Any]
    encoder: str
    jobs: tuple[Job, ...]
    version: int = PLAN_FORMAT
    kind: Kind = "augment"

    @property
    def samples(self) -> int:
        """Source samples, good and bad."""
        return sum(job.count for job in self.jobs)

    @property
    def estimated_bytes(self) -> int:
        """About the most bytes that the dataset can take, as if every image were as large as the engines' input."""
        pixels = int(self.engines["height"]) * int(self.engines["width"])
        return int(self.samples * estimate_bytes(pixels, AugmentSpec.from_json(self.spec)))

    @property
    def digest(self) -> str:
        """Digest of the whole plan: plans with equal digests are equal."""
        return json_digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "version": self.version,
            "kind": self.kind,
            "spec": dict(self.spec),
            "source": dict(self.source),
            "engines": dict(self.engines),
            "encoder": self.encoder,
            "jobs": [job.to_json() for job in self.jobs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**{**data, "jobs": tuple(Job.from_json(job) for job in data["jobs"])})


def write_plan(folder: AnyPath, plan: Plan) -> None:
    """Publish the plan of the dataset in ``folder``.

    Raises:
        TargetError: It cannot be written.
    """
    write_json(plan_file(folder), plan.to_json(), spool_folder(folder))


def read_plan(folder: AnyPath, kind: Kind = "augment") -> Plan | None:
    """The plan of the dataset in ``folder``, or None if it has none.

    Raises:
        ShardError: There is one, but it cannot be read.
        PlanMismatch: It was written by a version of augengine whose plans are different, or for another kind of
            dataset.
    """
    plan = read_any_plan(folder)
    if plan is not None and plan.kind != kind:
        hint = "choose another folder for the output"
        raise PlanMismatch(f"{folder} holds {_HOLDS.get(plan.kind, plan.kind)}, not {_HOLDS[kind]}", hint=hint)
    return plan


def read_any_plan(folder: AnyPath) -> Plan | None:
    """The plan of the dataset in ``folder``, whatever makes it, or None if it has none.

    Raises:
        ShardError: There is one, but it cannot be read.
        PlanMismatch: It was written by a version of augengine whose plans are different.
    """
    file = plan_file(folder)
    if size_of(file) is None:
        return None
    data = read_plan_json(file, hint=_DAMAGED)
    try:
        if data.get("kind", "augment") == "augment":
            AugmentSpec.from_json(data["spec"])
        return Plan.from_json(data)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ShardError(f"{file} has unknown or missing fields: {error}", hint=_DAMAGED) from error


def check_plan(folder: AnyPath, plan: Plan, *, may_change: Collection[str] = ()) -> bool:
    """Write the plan if the folder has none, or none of which a sample was written; go on if it has the same.

    Args:
        folder: The dataset.
        plan: The plan of this run.
        may_change: Names of shards that are made anew: files of their input may have been mended since.

    Returns:
        Whether an earlier run began this dataset.

    Raises:
        PlanMismatch: It has another, and samples; the first differences are named.
    """
    before = read_plan(folder)
    if before is not None and not binds(folder, before, plan, jobs=_mended(before, plan, may_change)):
        before = None
    if before is None and _write_first(folder, plan):
        return False
    before = before or read_plan(folder, plan.kind)
    assert before is not None
    refuse_differences(folder, replace(before, jobs=_mended(before, plan, may_change)), plan)
    if before != plan:
        write_plan(folder, plan)
    return True


def _mended(before: Plan, now: Plan, may_change: Collection[str]) -> tuple[Job, ...]:
    """The jobs as they were, with what a mended input changes: sizes, what is known to be bad, a tar's own count."""
    found = {job.output: job for job in now.jobs if job.output in may_change}
    fields = ["size", "digest", "excluded", "apart", *(["count"] if before.source.get("kind") == "tars" else [])]
    changes = ((job, found.get(job.output, job)) for job in before.jobs)
    return tuple(replace(old, **{name: getattr(new, name) for name in fields}) for old, new in changes)


def check_growing_plan(folder: AnyPath, plan: Plan) -> None:
    """Write a plan that may have more jobs than the folder's: slides that could not be read before, and now can.

    Raises:
        PlanMismatch: It differs in anything else; the first differences are named.
    """
    before = read_plan(folder, plan.kind)
    if before is not None:
        had = {job.output for job in before.jobs}
        grown = plan.samples != before.samples
        known = [job for job in plan.jobs if job.output in had or not grown]
        jobs = tuple(replace(job, index=index) for index, job in enumerate(known))
        refuse_differences(folder, before, replace(plan, jobs=jobs))
    if before is None and not _write_first(folder, plan):
        check_growing_plan(folder, plan)
    elif before is not None and before != plan:
        write_plan(folder, plan)


def binds(folder: AnyPath, before: Plan, now: Plan, *, jobs: tuple[Job, ...] | None = None) -> bool:
    """Whether a dataset is gone on with; if nothing was written by another plan, that plan is removed instead.

    Args:
        folder: The dataset, held by us.
        before: Its plan.
        now: What is asked for.
        jobs: The jobs of ``before`` with what may change in them; by default its own.

    Raises:
        PlanMismatch: They differ, and the dataset holds samples; the first differences are named.
    """
    expected = before if jobs is None else replace(before, jobs=jobs)
    if not holds_samples(folder, before) and any(differences(expected, now)):
        _remove(folder, before)
        return False
    refuse_differences(folder, expected, now)
    return True


def holds_samples(folder: AnyPath, plan: Plan) -> bool:
    """Whether any sample of a plan was written; a folder without one is free for another plan."""
    return any(report.samples_out for report in committed(folder, plan).values())


def _remove(folder: AnyPath, plan: Plan) -> None:
    """Remove a plan by which nothing was written, with its reports, which name what failed."""
    own = (report_file, tar_file, index_file)
    files = [name(folder, job.output) for job in plan.jobs for name in own]
    with target_errors(folder):
        for file in (*files, quarantine_file(folder), summary_file(folder), summary_text_file(folder)):
            if size_of(file) is not None:
                delete(file)
        delete(plan_file(folder))


def _write_first(folder: AnyPath, plan: Plan) -> bool:
    """Write the plan where there is none; whether no other run was faster, which on a store no lock can exclude."""
    if isinstance(folder, UrlPath):
        with target_errors(folder):
            return write_if_absent(plan_file(folder), canonical_json(plan.to_json()) + b"\n")
    write_plan(folder, plan)
    return True


def refuse_differences(folder: AnyPath, before: Plan, now: Plan) -> None:
    """Refuse to go on with a dataset that was begun with another plan.

    Raises:
        PlanMismatch: The first differences are named.
    """
    if found := list(islice(differences(before, now), _NAMED_DIFFERENCES)):
        raise PlanMismatch(f"{folder} holds another dataset: {'; '.join(found)}", hint=_ELSEWHERE)


def differences(before: Plan, now: Plan) -> Iterator[str]:
    """What differs between two plans, in words, what a user typed first."""
    yield from _changed(before.spec, now.spec)
    yield from _changed_source(before.source, now.source)
    yield from _changed_input(before.jobs, now.jobs)
    yield from (f"the engines' {change}" for change in _changed(before.engines, now.engines))
    if before.encoder != now.encoder:
        yield f"the encoder was {before.encoder}, is now {now.encoder}"


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """``eps was 0.05, is now 0.1`` ..., in nested values too."""
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new)
        elif _plain(old) != _plain(new):
            yield f"{name} was {_shown(old)}, is now {_shown(new)}"


def _changed_source(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What changed of the source; of slides, which are values of their own, with their names."""
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from (f"the {change} for {name}" for change in _changed(old, new))
        elif isinstance(old, Mapping) or isinstance(new, Mapping):
            yield f"{name} was not among the slides" if old is None else f"{name} is no longer among the slides"
        else:
            yield from (f"the source's {change}" for change in _changed({name: old}, {name: new}))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    text = str(_plain(value)) if value != "" else "none"
    return text if len(text) <= 100 else f"{text[:97]}..."


def _changed_input(before: tuple[Job, ...], now: tuple[Job, ...]) -> Iterator[str]:
    had, have = sum(job.count for job in before), sum(job.count for job in now)
    if had != have:
        yield f"the input has {counted(have, 'sample')}, had {had}"
    elif [job.count for job in before] != [job.count for job in now]:
        yield f"the shards hold {now[0].count} source samples each, held {before[0].count}"
    else:
        changed = [new.output for old, new in zip(before, now, strict=True) if old != new]
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            yield f"names or sizes of the input of {changed[0]}{more} changed"


def committed(folder: AnyPath, plan: Plan) -> dict[str, Report]:
    """The shards of a plan that need not be made again: output -> report.

    Those are the ones with a readable report without an error, with their index, and with a tar of the size that
    the report says.
    """
    looks = (partial(_committed, folder, job.output) for job in plan.jobs)
    reports = in_order(looks, ahead=REQUESTS_AT_A_TIME - 1 if isinstance(folder, UrlPath) else 0)
    return {report.output: report for report in reports if report is not None}


def _committed(folder: AnyPath, output: str) -> Report | None:
    report = _report(folder, output)
    return report if report is not None and _fits(folder, report) else None


def _report(folder: AnyPath, output: str) -> Report | None:
    try:
        return read_report(folder, output)
    except ShardError:
        return None  # cut short by a full disk, say: the shard is made again


def _fits(folder: AnyPath, report: Report) -> bool:
    if report.error:
        return False
    file, index = tar_file(folder, report.output), index_file(folder, report.output)
    return not report.sha256 or (size_of(index) is not None and size_of(file) == report.size)
