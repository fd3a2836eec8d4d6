"""The plan of a dataset: what it is made from, its file, and which of its shards are committed."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from augengine.digests import json_digest
from augengine.errors import PlanMismatch, ShardError, SpecError, TargetError
from augengine.jobs import Job, Report
from augengine.json_values import from_json, to_json
from augengine.runs.planning import estimate_bytes
from augengine.shards.layout import index_file, plan_file, spool_folder, tar_file
from augengine.shards.records import PLAN_FORMAT, read_plan_json, read_report, write_json
from augengine.spec import AugmentSpec
from augengine.storage import REQUESTS_AT_A_TIME, AnyPath, UrlPath, in_order, size_of

_PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ENOTCONN)
"""Errors of a disk or of a network's filesystem that may be gone the next time."""

_DAMAGED = "choose another folder for the output; the shards in this one can still be read"


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
        jobs: One for each shard, in order.
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
        return int(self.samples * estimate_bytes(pixels, from_json(AugmentSpec, self.spec)))

    @property
    def digest(self) -> str:
        """Digest of the whole plan: plans with equal digests are equal."""
        return json_digest(to_json(self))


def write_plan(folder: AnyPath, plan: Plan) -> None:
    """Publish the plan of the dataset in ``folder``.

    Raises:
        TargetError: It cannot be written.
    """
    write_json(plan_file(folder), to_json(plan), spool_folder(folder))


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
        plan = from_json(Plan, data)
        if plan.kind == "augment":  # fields that its version did not know have their defaults
            plan = replace(plan, spec=to_json(from_json(AugmentSpec, plan.spec, at="spec")))
        return plan
    except SpecError as error:
        raise ShardError(f"{file} cannot be used: {error}", hint=_DAMAGED) from error


def committed(folder: AnyPath, plan: Plan) -> dict[str, Report]:
    """The shards of a plan that need not be made again: output -> report.

    Those are the ones with a readable report without an error, with their index, and with a tar of the size that
    the report says.

    Raises:
        TargetError: The disk or the store does not answer.
    """
    return committed_or_damaged(folder, plan)[0]


def committed_or_damaged(folder: AnyPath, plan: Plan) -> tuple[dict[str, Report], dict[str, str]]:
    """The shards that are `committed`, and those whose report is damaged: output -> why. These are made again.

    Raises:
        TargetError: The disk or the store does not answer.
    """
    looks = (partial(_look, folder, job.output) for job in plan.jobs)
    found = in_order(looks, ahead=REQUESTS_AT_A_TIME - 1 if isinstance(folder, UrlPath) else 0)
    reports: dict[str, Report] = {}
    damaged: dict[str, str] = {}
    for output, report in zip((job.output for job in plan.jobs), found, strict=True):
        if isinstance(report, str):
            damaged[output] = report
        elif report is not None:
            reports[output] = report
    return reports, damaged


def _look(folder: AnyPath, output: str) -> Report | str | None:
    """A shard's report, why it is damaged (cut short by a full disk, say), or None if the shard is to be made.

    Raises:
        TargetError: The disk does not give it. It may be sound, so its shard is not made again.
    """
    try:
        report = read_report(folder, output)
    except ShardError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _PASSING:
            hint = "run again once the disk answers: finished shards are kept"
            raise TargetError(error.message, hint=hint) from error
        return error.message
    return report if report is not None and _fits(folder, report) else None


def _fits(folder: AnyPath, report: Report) -> bool:
    if report.error:
        return False
    file, index = tar_file(folder, report.output), index_file(folder, report.output)
    return not report.sha256 or (size_of(index) is not None and size_of(file) == report.size)
