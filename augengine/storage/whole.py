"""Files read and written whole, on a disk or on a store: what appears under a name is complete."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

from augengine.storage.plain import NotPlainError, open_plain, read_plain
from augengine.storage.url import BLOCK_BYTES, UrlPath, read_ahead, remote_errors

AnyPath = Path | UrlPath


MAX_RECORD_BYTES = 1 << 26
"""Largest json file of ours that is read, as a plan or a report: parsed, it takes about ten times as much memory."""


def read_whole(path: AnyPath, *, limit: int = MAX_RECORD_BYTES, within: Path | None = None) -> bytes | None:
    """The bytes of a file; None if there is none.

    Args:
        path: The file.
        limit: The most bytes that it may have.
        within: A folder on a disk that no link may lead out of.

    Raises:
        NotPlainError: It is no plain file, it leads out of ``within``, or it is larger than ``limit``.
        OSError, TargetError: It cannot be read.
    """
    try:
        if isinstance(path, Path):
            return read_plain(path, limit=limit, within=within)
        with remote_errors(path.url):
            data = bytes(path.filesystem.cat_file(path.url, end=limit + 1))
    except FileNotFoundError:
        return None
    if len(data) > limit:
        raise NotPlainError(f"it has more than {limit} bytes")
    return data


def open_whole(path: AnyPath) -> BinaryIO:
    """A file to read from its beginning; of a store no more than a few blocks are read ahead.

    Raises:
        OSError, TargetError: It cannot be opened.
    """
    if isinstance(path, Path):
        return open_plain(path)
    with remote_errors(path.url):
        return cast(BinaryIO, path.filesystem.open(path.url, "rb", **read_ahead(path.filesystem)))


def size_of(path: AnyPath) -> int | None:
    """Bytes of a file; None if there is none.

    Raises:
        TargetError: The store does not answer.
    """
    if isinstance(path, Path):
        return path.stat().st_size if path.is_file() else None
    try:
        with remote_errors(path.url):
            found = path.filesystem.info(path.url)
    except FileNotFoundError:
        return None
    return int(found["size"]) if found["type"] == "file" else None


def names(folder: AnyPath) -> list[str]:
    """Names of what lies in a folder, sorted; empty if there is no such folder.

    Raises:
        OSError, TargetError: It cannot be listed.
    """
    try:
        if isinstance(folder, Path):
            return sorted(entry.name for entry in folder.iterdir())
        with remote_errors(folder.url):
            found = folder.filesystem.ls(folder.url, detail=False)
    except FileNotFoundError:
        return []
    return sorted({str(name).rstrip("/").rpartition("/")[2] for name in found} - {folder.name, ""})


def delete(path: AnyPath) -> None:
    """Remove a file; nothing if there is none.

    Raises:
        OSError, TargetError: It cannot be removed.
    """
    if isinstance(path, Path):
        path.unlink(missing_ok=True)
    elif size_of(path) is not None:
        with remote_errors(path.url):
            path.filesystem.rm_file(path.url)


def publish_url(local_file: Path, path: UrlPath) -> None:
    """Upload a finished file, whole or not at all: large ones in parts, which are dropped if one fails.

    Raises:
        TargetError: It could not be uploaded; the local file stays.
    """
    with remote_errors(path.url):
        make_parent(path)
        options = {"chunksize": BLOCK_BYTES, "max_concurrency": 2} if "s3" in path.filesystem.protocol else {}
        path.filesystem.put_file(str(local_file), path.url, **options)


def make_parent(path: UrlPath) -> None:
    """Make the folder of a file, on stores that have folders."""
    if "s3" not in path.filesystem.protocol:  # which has no folders, and would look for the bucket each time
        path.filesystem.makedirs(path.url.rpartition("/")[0], exist_ok=True)
