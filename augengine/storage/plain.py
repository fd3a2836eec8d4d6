"""Files that may be anybody's: only plain ones are opened, nothing waits, and no more is read than is allowed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


class NotPlainError(OSError):
    """A file that is not read because of what it is, where it leads or how large it is; its text says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EINVAL, reason)

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[type[NotPlainError], tuple[str]]:
        return type(self), (str(self),)


class LinkLeadsOut(NotPlainError):
    """A link that leads out of the folder in which a file must lie."""


def open_plain(path: Path, *, limit: int | None = None, within: Path | None = None) -> BinaryIO:
    """Open a file that is a plain one, or a link to one.

    Args:
        path: The file.
        limit: The most bytes that it may have; None for any number.
        within: A folder that no link may lead out of; None allows any link.

    Raises:
        NotPlainError: It is a pipe, a socket, a device or a folder, or it is larger; `LinkLeadsOut` where a link leads
            out of ``within``.
        OSError: It is missing, or cannot be opened.
    """
    if within is not None and not path.resolve().is_relative_to(within.resolve()):
        raise LinkLeadsOut(f"it is a link that leads out of {within}")
    _check(path.stat(), limit)  # before it is opened: to open a device may do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(os.fstat(descriptor), limit)  # again: it may have been exchanged in between
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path, *, limit: int, within: Path | None = None) -> bytes:
    """The bytes of a plain file; arguments and errors as for `open_plain`."""
    with open_plain(path, limit=limit, within=within) as stream:
        size = os.fstat(stream.fileno()).st_size  # to read asks for the memory first, however short the file is
        data = stream.read(min(size, limit) + 1)
    if len(data) > size:
        raise NotPlainError(f"it is larger than the {size} bytes that it states: it grows, or is no file on a disk")
    return data


def _check(found: os.stat_result, limit: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "something else")
        raise NotPlainError(f"it is {kind}, no plain file")
    if limit is not None and found.st_size > limit:
        raise _too_large(found.st_size, limit)


def _too_large(size: int, limit: int) -> NotPlainError:
    return NotPlainError(f"it has {size} bytes, {limit} are allowed")
