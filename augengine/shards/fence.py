"""Whose a dataset is: looked at before every publication, so that what another run took over is not written to."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from augengine.errors import SpecError, TargetError, TargetInUse
from augengine.json_values import ProcessId, from_json, parse_json
from augengine.sample import printable
from augengine.shards.layout import lock_file
from augengine.storage import AnyPath, UrlPath, read_whole


@dataclass(frozen=True, slots=True)
class Fence:
    """Stands before every publication of a worker: what was taken over is not written to.

    Attributes:
        folder: The dataset on a store; None on a disk, whose lock is the process itself and cannot be taken over.
        run: Id of the run that holds the folder.
    """

    folder: UrlPath | None = None
    run: str = ""

    def check(self) -> None:
        """Look whose lock it is; one small request.

        Raises:
            TargetInUse: Another run's, or nobody's.
            TargetError: The store does not answer.
        """
        if self.folder is None:
            return
        found = read_lock(self.folder)
        lock = lock_of(found)
        if lock is None or lock.run != self.run:
            raise taken_over(self.folder, found)


MAX_LOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The fields of a lock, which name the run that wrote it.

    Attributes:
        host, pid, start: Its process, as `augengine.runs.target.Owner` has them.
        run: Its id; empty on a disk.
        beats: How often it was renewed; 0 on a disk.
    """

    host: str
    pid: ProcessId
    start: str
    run: str = ""
    beats: int = 0


def read_lock(folder: AnyPath) -> bytes | None:
    """The lock of a dataset as it is stored; None if there is none.

    Raises:
        TargetError: It cannot be read, or is no file that a run of ours wrote.
    """
    file = lock_file(folder)
    try:
        return read_whole(file, limit=MAX_LOCK_BYTES, within=file.parent if isinstance(file, Path) else None)
    except OSError as error:
        hint = "if no run writes there, delete it"
        raise TargetError(f"the lock {file} cannot be read: {error}", hint=hint) from error


def lock_of(found: bytes | None) -> Lock | None:
    """What a lock says; None where there is none, or where somebody else wrote it."""
    with suppress(SpecError):
        return from_json(Lock, parse_json(found or b""))
    return None


def writer_of(found: bytes | None) -> str:
    """Who wrote a lock, in words."""
    lock = lock_of(found)
    return f"process {lock.pid} on {printable(lock.host)}" if lock else "another run"


def taken_over(folder: UrlPath, found: bytes | None) -> TargetInUse:
    """The error of a run whose lock is no longer its own; ``found`` is what stands there now."""
    if found is None:
        hint = "type the same command again: finished shards are kept"
        return TargetInUse(f"the lock of {folder} was removed while this run held it", hint=hint)
    return TargetInUse(
        f"{folder} was taken over by {writer_of(found)}: this run could not renew its lock in time",
        hint="the other run goes on with it; wait for it, and see `augengine status`",
    )
