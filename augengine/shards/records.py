"""The json files of a dataset: published whole, read with a sentence for what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from augengine.errors import ShardError
from augengine.report import Report
from augengine.shards.layout import report_file, spool_folder
from augengine.shards.write import publish, target_errors
from augengine.spec import canonical_json
from augengine.storage import AnyPath, read_whole, size_of


def write_report(folder: AnyPath, report: Report) -> None:
    """Commit a shard: publish its report, after its tar and its index.

    Raises:
        TargetError: The folder cannot be written.
    """
    write_json(report_file(folder, report.output), report.to_json(), spool_folder(folder))


def read_report(folder: AnyPath, output: str) -> Report | None:
    """The report of a shard, or None if it is not committed.

    Raises:
        ShardError: There is one, but it cannot be read.
    """
    file = report_file(folder, output)
    if size_of(file) is None:
        return None
    try:
        return Report.from_json(read_json(file))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ShardError(f"the report {file} has unknown or missing fields: {error}", hint=_REMAKE) from error


_REMAKE = "delete it and run augment again: what it stood for is made anew"


def write_json(file: AnyPath, value: Any, spool: Path) -> None:
    """Publish a json value as one file, through a temporary one in ``spool`` on the same filesystem.

    Raises:
        TargetError: It cannot be written.
    """
    unfinished = spool / f"{file.name}.{os.getpid()}"
    with target_errors(file):
        spool.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(canonical_json(value) + b"\n")
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
    publish(unfinished, file)


def read_json(file: AnyPath, *, hint: str = _REMAKE) -> Any:
    """The value of a json file of ours.

    Raises:
        ShardError: Unreadable or not json.
    """
    try:
        return json.loads(read_whole(file) or b"")
    except (OSError, ValueError, RecursionError) as error:
        raise ShardError(f"{file} cannot be read: {error}", hint=hint) from error
