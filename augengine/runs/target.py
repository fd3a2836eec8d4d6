"""The output folder: made, checked and locked before anything is written into it."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from augengine.digests import canonical_json
from augengine.errors import TargetError, TargetInUse
from augengine.runs.remote import open_remote
from augengine.runs.target_hold import Hold
from augengine.shards.fence import Lock, lock_of, read_lock
from augengine.shards.layout import OWN_FOLDER, SYSTEMS_OWN, lock_file, plan_file, spool_folder
from augengine.shards.write import target_errors
from augengine.storage import AnyPath, UrlPath


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock.

    Attributes:
        host: Its name, and its process namespace where the kernel tells: in another one a number says nothing.
        pid: Number of the process.
        start: When that process began, as the kernel counts; tells it from a later one of the same number.
    """

    host: str
    pid: int
    start: str

    @classmethod
    def me(cls) -> Self:
        """This process."""
        return cls(_host(), os.getpid(), _start_of(os.getpid()))

    @property
    def name(self) -> str:
        """The host's name alone."""
        return self.host.split()[0] if self.host else "an unknown host"

    def is_here(self) -> bool:
        """Whether it is a process of this host that lives."""
        return self.host == _host() and not self.is_dead()

    def is_dead(self) -> bool:
        """Whether it is known to be gone; of another host nothing is known."""
        return self.host == _host() and _start_of(self.pid) != self.start


def _host() -> str:
    try:
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _start_of(pid: int) -> str:
    """Boot and clock tick at which a process began; empty if there is none, or where the kernel does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if _is_gone(pid) else "unknown"
    return f"{boot} {stat.rpartition(')')[2].split()[19]}"


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@contextmanager
def open_target(folder: AnyPath) -> Iterator[Hold]:
    """Hold a folder for the time of a run: made if missing, locked, leftovers of a killed run removed.

    A folder in which no plan was written is left as it was found, but for surveys of slides, which serve the next run.

    Yields:
        The hold; it knows whether the run before was killed.

    Raises:
        TargetError: It cannot be written, or holds files that are no dataset of ours.
        TargetInUse: Another run holds it.
    """
    with (
        open_remote(folder, Lock(**asdict(Owner.me())), lambda lock: _owner(lock).is_dead())
        if isinstance(folder, UrlPath)
        else _open_local(folder) as hold
    ):
        yield hold


def _owner(lock: Lock) -> Owner:
    return Owner(lock.host, lock.pid, lock.start)


@contextmanager
def _open_local(folder: Path) -> Iterator[Hold]:
    if ":/" in str(folder):  # an URL that pathlib has taken a slash from
        raise TargetError(
            f"the target {folder} is no local folder", hint="augengine.storage.path_of makes it an UrlPath"
        )
    made = not folder.exists()
    try:
        with target_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _check_not_foreign(folder)
            _check_no_links(folder)
            spool_folder(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        owner, was_killed = _lock(folder)
    except TargetInUse:
        raise  # everything in it is the other run's
    except BaseException:
        _leave_as_found(folder, made=made)
        raise
    try:
        with target_errors(folder):
            _remove_leftovers(folder)
        yield Hold(was_killed)
    finally:
        with suppress(OSError):  # of workers that were ended in the middle; the next run would remove it too
            _remove_leftovers(folder)
        _unlock(folder, owner)
        if not plan_file(folder).exists():
            _leave_as_found(folder, made=made)


def _check_no_links(folder: Path) -> None:
    """Refuse a dataset of somebody else's making that would have us write, or remove leftovers, elsewhere."""
    own = folder / OWN_FOLDER
    for part in (own, spool_folder(folder), own / "slides", own / "engines"):
        if part.is_symlink():
            hint = "remove the link, or choose another folder for the output"
            raise TargetError(f"{part} is a symbolic link: it would lead writing out of the target", hint=hint)


def _check_not_foreign(folder: Path) -> None:
    if plan_file(folder).is_file():
        return
    foreign = sorted(
        file.name for file in folder.iterdir() if not file.name.startswith(".") and file.name not in SYSTEMS_OWN
    )
    if foreign:
        raise TargetError(
            f"{folder} is not empty ({foreign[0]} ...) and holds no dataset of augengine's",
            hint="choose a new or empty folder: shards are never mixed with other files",
        )


def _lock(folder: Path) -> tuple[Owner, bool]:
    """Who we are, and whether another was here that is dead."""
    file, me = lock_file(folder), Owner.me()
    with target_errors(folder), _alone(file.parent):
        holder = lock_holder(folder)
        if holder is not None and not holder.is_dead():
            raise _in_use(folder, holder)
        file.unlink(missing_ok=True)
        try:
            with file.open("xb") as out:
                out.write(canonical_json(asdict(me)))
        except FileExistsError:  # from another host, which the guard does not keep out
            raise _in_use(folder, lock_holder(folder)) from None
        except OSError:
            file.unlink(missing_ok=True)
            raise
    return me, holder is not None


def _in_use(folder: Path, holder: Owner | None) -> TargetInUse:
    who = f"process {holder.pid} on {holder.host}" if holder else "another run"
    hint = f"wait for it; if it is gone for good, delete {lock_file(folder)}"
    return TargetInUse(f"{folder} is in use by {who}", hint=hint)


def lock_holder(folder: AnyPath) -> Owner | None:
    """Who holds the dataset in ``folder``, or held it when it was killed.

    Raises:
        TargetError: Its lock cannot be read, or is no plain file.
    """
    found = read_lock(folder)
    if found is None:
        return None
    lock = lock_of(found)
    return Owner("unknown", 0, "") if lock is None else _owner(lock)  # a damaged one is not ours to judge


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep this host's other processes out while a lock is judged: two could take over a dead one at once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network filesystems know no flock
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unlock(folder: Path, owner: Owner) -> None:
    with suppress(OSError, TargetError):  # nothing can be done about it, and the next run sees that the owner is dead
        if lock_holder(folder) == owner:
            lock_file(folder).unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    for leftover in (*spool_folder(folder).iterdir(), *folder.glob(".*.part")):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def _leave_as_found(folder: Path, *, made: bool) -> None:
    spool = spool_folder(folder)
    for empty in (spool, spool.parent, *([folder] if made else [])):
        with suppress(OSError):  # what is not empty stays
            empty.rmdir()
