"""A target on a store: its lock is an object that its holder renews. Each write of it is conditional."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from augengine.digests import canonical_json
from augengine.errors import TargetError, TargetInUse
from augengine.json_values import to_json
from augengine.runs.target_hold import Hold
from augengine.shards.fence import MAX_LOCK_BYTES, Fence, Lock, lock_of, read_lock, writer_of
from augengine.shards.layout import SHARD_ENDINGS, SYSTEMS_OWN, lock_file, plan_file
from augengine.shards.write import target_errors
from augengine.storage import (
    UrlPath,
    abort_uploads,
    delete,
    names,
    read_whole,
    size_of,
    version_of,
    write_if_absent,
    write_if_version,
)

BEAT_SECONDS = 20.0
"""How often a holder renews its lock."""

STALE_SECONDS = 120.0
"""A lock that nobody renews while it is watched for this long is taken over."""

_LAST_BEAT = -1


@contextmanager
def open_remote(folder: UrlPath, owner: Lock, is_dead: Callable[[Lock], bool]) -> Iterator[Hold]:
    """Hold a folder on a store for the time of a run; see `open_target`.

    Args:
        folder: The dataset.
        owner: This process, without the id of its run.
        is_dead: Whether the process of another owner is known to be gone.

    Raises:
        TargetError: It cannot be written, or holds files that are no dataset of ours.
        TargetInUse: Another run holds it.
    """
    mine = replace(owner, run=uuid.uuid4().hex)
    with target_errors(folder):
        _check_not_foreign(folder)
        hold = Hold(_lock(folder, mine, is_dead), Fence(folder, mine.run))
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(hold, mine, ended), name="lock", daemon=True)
    try:
        beating.start()
        _abort_leftovers(folder)
        yield hold
    finally:
        ended.set()
        if beating.ident is not None:
            beating.join()
        with suppress(TargetError):  # it goes stale
            _unlock(hold, mine)


def _check_not_foreign(folder: UrlPath) -> None:
    if size_of(plan_file(folder)) is not None:
        return
    if foreign := [name for name in names(folder) if not name.startswith(".") and name not in SYSTEMS_OWN]:
        raise TargetError(
            f"{folder} is not empty ({foreign[0]} ...) and holds no dataset of augengine's",
            hint="choose a new or empty folder: shards are never mixed with other files",
        )


def _lock(folder: UrlPath, mine: Lock, is_dead: Callable[[Lock], bool]) -> bool:
    """Write the lock, or take over one of a run that is dead; whether there was one."""
    file, own = lock_file(folder), _content(mine, 0)
    while not write_if_absent(file, own):
        version = version_of(file)
        found = read_lock(folder)
        if version is None or found is None:
            continue
        if not _is_gone(found, is_dead) and not _stays(file, found):
            raise _in_use(folder, found)
        if write_if_version(file, own, version):  # of several that take it over one does
            return True
    return False


def _is_gone(found: bytes, is_dead: Callable[[Lock], bool]) -> bool:
    lock = lock_of(found)
    return lock is not None and is_dead(lock)


def _stays(file: UrlPath, found: bytes) -> bool:
    """Whether nobody renews it; clocks of several machines are not compared."""
    until = time.monotonic() + STALE_SECONDS
    while time.monotonic() < until:
        time.sleep(min(1.0, STALE_SECONDS / 4))
        if read_whole(file, limit=MAX_LOCK_BYTES) != found:
            return False
    return True


def _unlock(hold: Hold, mine: Lock) -> None:
    """Delete the lock, if it is ours."""
    folder = hold.fence.folder
    assert folder is not None
    if _renew(hold, mine, _LAST_BEAT):
        _abort_leftovers(folder)
    if _renew(hold, mine, _LAST_BEAT - 1):  # a moment ago, so nobody has watched it long enough to take it over
        delete(lock_file(folder))


def _abort_leftovers(folder: UrlPath) -> None:
    """Drop uploads of shards that no living worker can be at: before a run's workers start, and after they ended.

    No age is asked for. Whoever else uploads there has lost the lock, and must not come to an end.
    """
    with suppress(TargetError, FileNotFoundError):  # it needs a right of its own, which a dataset does not
        abort_uploads(folder, SHARD_ENDINGS)


def _beat(hold: Hold, mine: Lock, ended: threading.Event) -> None:
    beats = 0
    while not ended.wait(BEAT_SECONDS):
        beats += 1
        with suppress(Exception):  # the next beat comes
            if not _renew(hold, mine, beats):
                hold.lost.set()
                return


def _renew(hold: Hold, mine: Lock, beats: int) -> bool:
    """Whether the lock was still ours, and is for another while."""
    assert hold.fence.folder is not None
    file = lock_file(hold.fence.folder)
    version = version_of(file)
    lock = lock_of(read_lock(hold.fence.folder))
    if version is None or lock is None or lock.run != mine.run:
        return False
    return write_if_version(file, _content(mine, beats), version)


def _content(mine: Lock, beats: int) -> bytes:
    return canonical_json(to_json(replace(mine, beats=beats)))


def _in_use(folder: UrlPath, found: bytes) -> TargetInUse:
    hint = "wait for it: its lock is renewed all the time"
    return TargetInUse(f"{folder} is in use by {writer_of(found)}", hint=hint)
