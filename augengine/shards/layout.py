"""Where things lie in a dataset's folder: shards at the top, everything else under ``.augengine/``.

::

    cd68-000000.tar, cd68-000000.idx      a shard and its index, for readers
    README.md                             the dataset's card
    .augengine/plan.json                  what the dataset is made from
    .augengine/cd68-000000.json           the shard's report, written last: the mark that it is committed
    .augengine/quarantine.json            samples that kill workers, if there are any
    .augengine/run.json                   how far the last run is, or was
    .augengine/summary.json, .md          what the last run left
    .augengine/lock                       who writes at present
    .augengine/spool/                     unfinished files
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TypeVar

from augengine.storage import AnyPath, UrlPath, spool_of

Where = TypeVar("Where", Path, UrlPath, Path | UrlPath)

OWN_FOLDER = ".augengine"
SHARD_ENDINGS = (".tar", ".idx")
PLAN_NAME = "plan.json"
QUARANTINE_NAME = "quarantine.json"


def plan_file(folder: Where) -> Where:
    """The plan of the dataset in ``folder``."""
    return folder / OWN_FOLDER / PLAN_NAME


def quarantine_file(folder: Where) -> Where:
    """Samples of the dataset in ``folder`` that kill workers."""
    return folder / OWN_FOLDER / QUARANTINE_NAME


def run_file(folder: Where) -> Where:
    """How far the run on the dataset in ``folder`` is."""
    return folder / OWN_FOLDER / "run.json"


def summary_file(folder: Where) -> Where:
    """What the last run left."""
    return folder / OWN_FOLDER / "summary.json"


def summary_text_file(folder: Where) -> Where:
    """The same for people."""
    return folder / OWN_FOLDER / "summary.md"


SYSTEMS_OWN = ("lost+found", "System Volume Information", "@eaDir")
"""What a new volume or a file server has at its top: such a folder is as good as empty."""

CARD_NAME = "README.md"
CARD_MARK = "# Written by augengine. A README.md without this line is left alone."


def card_file(folder: Where) -> Where:
    """The dataset's card."""
    return folder / CARD_NAME


def lock_file(folder: Where) -> Where:
    """The lock of the dataset in ``folder``."""
    return folder / OWN_FOLDER / "lock"


def spool_folder(folder: AnyPath) -> Path:
    """Where unfinished files lie, removed under the lock; for a target on a store this process's own local folder."""
    if isinstance(folder, UrlPath):
        return spool_of()
    return folder / OWN_FOLDER / "spool"


def spool_file(folder: AnyPath, output: str) -> Path:
    """A new place to write the shard ``output`` before it is published; its index lies beside it.

    No two calls give the same: a worker that was given up for dead may still write when another repeats its work.
    """
    return spool_folder(folder) / f"{output}.{uuid.uuid4().hex[:12]}.tar"


def report_file(folder: Where, output: str) -> Where:
    """The report of the shard ``output``."""
    return folder / OWN_FOLDER / f"{output}.json"


def tar_file(folder: Where, output: str) -> Where:
    """The shard ``output``."""
    return folder / f"{output}.tar"


def index_file(folder: Where, output: str) -> Where:
    """The shard's index for DALI's reader."""
    return folder / f"{output}.idx"
