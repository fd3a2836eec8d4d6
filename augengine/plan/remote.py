"""A target on a store: its lock is an object that its holder renews, written only where there is none."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from augengine.errors import TargetError, TargetInUse
from augengine.shards.layout import lock_file, plan_file
from augengine.shards.write import target_errors
from augengine.spec import canonical_json
from augengine.storage import UrlPath, delete, names, read_whole, size_of, write_if_absent

BEAT_SECONDS = 20.0
"""How often a holder renews its lock."""

STALE_SECONDS = 120.0
"""A lock that nobody renews while it is watched for this long is taken over."""


@contextmanager
def open_remote(folder: UrlPath, owner: dict[str, Any], is_dead: Callable[[Any], bool]) -> Iterator[bool]:
    """Hold a folder on a store for the time of a run; see `open_target`.

    Args:
        folder: The dataset.
        owner: Host, pid and start of this process.
        is_dead: Whether the process of another owner is known to be gone.

    Raises:
        TargetError: It cannot be written, or holds files that are no dataset of ours.
        TargetInUse: Another run holds it.
    """
    mine = {**owner, "run": uuid.uuid4().hex}
    with target_errors(folder):
        _check_not_foreign(folder)
        was_killed = _lock(folder, mine, is_dead)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(folder, mine, ended), name="lock", daemon=True)
    beating.start()
    try:
        yield was_killed
    finally:
        ended.set()
        beating.join()
        with suppress(TargetError):  # it goes stale
            if _run_of(read_whole(lock_file(folder))) == mine["run"]:
                delete(lock_file(folder))


def _check_not_foreign(folder: UrlPath) -> None:
    if size_of(plan_file(folder)) is not None:
        return
    if foreign := [name for name in names(folder) if not name.startswith(".")]:
        raise TargetError(
            f"{folder} is not empty ({foreign[0]} ...) and holds no dataset of augengine's",
            hint="choose a new or empty folder: shards are never mixed with other files",
        )


def _lock(folder: UrlPath, mine: dict[str, Any], is_dead: Callable[[Any], bool]) -> bool:
    """Write the lock; whether another's was there that is dead."""
    file, was_killed = lock_file(folder), False
    while not write_if_absent(file, _content(mine, 0)):
        found = read_whole(file)
        if found is None:
            continue
        if not _is_gone(found, is_dead) and not _stays(file, found):
            raise _in_use(folder, found)
        if read_whole(file) == found:
            delete(file)
        was_killed = True
    return was_killed


def _is_gone(found: bytes, is_dead: Callable[[Any], bool]) -> bool:
    with suppress(ValueError, KeyError, TypeError):
        return is_dead(json.loads(found))
    return False


def _stays(file: UrlPath, found: bytes) -> bool:
    """Whether nobody renews it; clocks of several machines are not compared."""
    until = time.monotonic() + STALE_SECONDS
    while time.monotonic() < until:
        time.sleep(min(1.0, STALE_SECONDS / 4))
        if read_whole(file) != found:
            return False
    return True


def _beat(folder: UrlPath, mine: dict[str, Any], ended: threading.Event) -> None:
    beats, file = 0, lock_file(folder)
    while not ended.wait(BEAT_SECONDS):
        beats += 1
        with suppress(Exception):  # the next beat comes
            if _run_of(read_whole(file)) != mine["run"]:
                return  # taken over, as if we were gone
            file.filesystem.pipe_file(file.url, _content(mine, beats))


def _content(mine: dict[str, Any], beats: int) -> bytes:
    return canonical_json({**mine, "beats": beats})


def _run_of(found: bytes | None) -> str | None:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(found or b"")["run"])
    return None


def _in_use(folder: UrlPath, found: bytes) -> TargetInUse:
    who = "another run"
    with suppress(ValueError, KeyError, TypeError):
        data = json.loads(found)
        who = f"process {data['pid']} on {data['host']}"
    return TargetInUse(f"{folder} is in use by {who}", hint="wait for it: its lock is renewed all the time")
