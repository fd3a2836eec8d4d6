"""Where a process finishes files before they are uploaded: a private local folder of its own.

``TMPDIR`` says on which disk. A process holds a lock on its folder; folders whose process is gone are removed by the
next process that makes one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path


def spool_of() -> Path:
    """This process's spool, made when it is first needed."""
    return _spool(os.getpid())


@cache
def _spool(pid: int) -> Path:
    root = Path(tempfile.gettempdir()) / f"augengine-{os.getuid()}"
    with suppress(FileExistsError):  # whatever is there
        root.mkdir(mode=0o700)
    if not _is_own_folder(root):
        return Path(tempfile.mkdtemp(prefix="augengine-"))  # anybody may have put it there: not for our files
    guard = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        _sweep(root)
        folder = Path(tempfile.mkdtemp(prefix=f"{pid}-", dir=root))
        _is_held(folder)
    finally:
        os.close(guard)
    return folder


def _is_own_folder(root: Path) -> bool:
    found = root.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _sweep(root: Path) -> None:
    for folder in root.iterdir():
        if folder.is_dir() and not folder.is_symlink() and not _is_held(folder, keep=False):
            shutil.rmtree(folder, ignore_errors=True)


def _is_held(folder: Path, *, keep: bool = True) -> bool:
    """Whether another process holds it; ``keep``: if none does, hold it until this process ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not keep:
            os.close(descriptor)
        return False
    os.close(descriptor)
    return True
