"""A file on a disk is written whole or not at all: a draft beside it, fsync, then a rename."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augengine.errors import TargetError


@contextmanager
def draft_of(file: Path) -> Iterator[Path]:
    """A path beside ``file`` to write to; it becomes ``file`` at the end, and vanishes if the block fails.

    The folder is made if it is missing.

    Raises:
        OSError: It cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        yield draft
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(file: Path, data: bytes | str, *, hint: str = "choose a folder with room") -> None:
    """Write a file, its folder too if that is missing.

    Args:
        file: Where to.
        data: Bytes, or text that becomes UTF-8.
        hint: The next step, if it fails.

    Raises:
        TargetError: It cannot be written; what was there before is still there.
    """
    try:
        with draft_of(file) as draft:
            draft.write_bytes(data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise TargetError(f"cannot write {file}: {error.strerror}", hint=hint) from error
