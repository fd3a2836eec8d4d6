"""The json files of a dataset: published whole, read with a sentence for what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from augengine.digests import canonical_json
from augengine.errors import PlanMismatch, ShardError, SpecError
from augengine.jobs import Report
from augengine.json_values import from_json, parse_json, to_json
from augengine.shards.layout import index_file, report_file, spool_folder, tar_file
from augengine.shards.write import publish, target_errors
from augengine.storage import AnyPath, LinkLeadsOut, delete, read_whole

PLAN_FORMAT = 3
"""Format of a dataset's plan, its field ``version``."""


def write_report(folder: AnyPath, report: Report) -> None:
    """Commit a shard: publish its report, after its tar and its index.

    Raises:
        TargetError: The folder cannot be written.
    """
    write_json(report_file(folder, report.output), to_json(report), spool_folder(folder))


def withdraw(folder: AnyPath, report: Report) -> None:
    """Take back a shard's commit before it is replaced by one that differs.

    A run that is killed between its new tar and its new report leaves no old report beside the new tar.

    Raises:
        TargetError: The folder cannot be written.
    """
    file = report_file(folder, report.output)
    if _holds(file, canonical_json(to_json(report)) + b"\n"):
        return
    with target_errors(file):
        delete(file)
        if not report.sha256:  # nothing will replace these
            delete(tar_file(folder, report.output))
            delete(index_file(folder, report.output))


def _holds(file: AnyPath, data: bytes) -> bool:
    """Whether nothing is to be withdrawn: there is no such file, or it holds just this."""
    try:
        found = read_whole(file)
    except OSError:
        return False
    return found is None or found == data


def read_report(folder: AnyPath, output: str) -> Report | None:
    """The report of a shard, or None if it is not committed.

    Raises:
        ShardError: There is one, but it cannot be read.
    """
    file = report_file(folder, output)
    data = _read(file, _REMAKE)
    if data is None:
        return None
    try:
        return from_json(Report, _parse(file, data, _REMAKE))
    except SpecError as error:
        raise ShardError(f"the report {file} cannot be used: {error}", hint=_REMAKE) from error


_REMAKE = "delete it and run augment again: what it stood for is made anew"


def write_json(file: AnyPath, value: Any, spool: Path) -> None:
    """Publish a json value as one file, through a temporary one in ``spool`` on the same filesystem.

    Raises:
        TargetError: It cannot be written.
    """
    write_file(file, canonical_json(value) + b"\n", spool)


def write_file(file: AnyPath, data: bytes, spool: Path) -> None:
    """Publish bytes as one file, through a temporary one in ``spool`` on the same filesystem.

    Raises:
        TargetError: It cannot be written.
    """
    unfinished = spool / f"{file.name}.{os.getpid()}"
    with target_errors(file):
        spool.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(data)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
    publish(unfinished, file)


def read_plan_json(file: AnyPath, *, hint: str) -> Any:
    """The json value of a dataset's plan.

    Args:
        file: The plan.
        hint: The next step for a user whose plan cannot be read.

    Raises:
        ShardError: It cannot be read.
        PlanMismatch: It has another format than `PLAN_FORMAT`.
    """
    plan = read_json(file, hint=hint)
    found = plan.get("version") if isinstance(plan, dict) else None
    if found != PLAN_FORMAT:
        hint = "use the version of augengine that wrote it, or choose another folder; its shards can still be read"
        raise PlanMismatch(f"{file} has the format {found}, this version writes {PLAN_FORMAT}", hint=hint)
    return plan


def read_json(file: AnyPath, *, hint: str = _REMAKE) -> Any:
    """The value of a json file of ours.

    Raises:
        ShardError: Unreadable, larger than `MAX_RECORD_BYTES`, no plain file in its own folder, or not json.
    """
    return _parse(file, _read(file, hint) or b"", hint)


def _read(file: AnyPath, hint: str) -> bytes | None:
    try:
        return read_whole(file, within=file.parent if isinstance(file, Path) else None)
    except OSError as error:
        if isinstance(error, LinkLeadsOut):
            hint = "copy the dataset with its links resolved: cp -rL, or snapshot_download(local_dir=...)"
        raise ShardError(f"{file} cannot be read: {error}", hint=hint) from error


def _parse(file: AnyPath, data: bytes, hint: str) -> Any:
    try:
        return parse_json(data)
    except SpecError as error:
        raise ShardError(f"{file} cannot be read: {error}", hint=hint) from error
