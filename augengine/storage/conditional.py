"""Writes on a condition: only if there is no such file, or if it is still the version that was seen."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

from augengine.errors import TargetError
from augengine.storage.url import UrlPath, remote_errors
from augengine.storage.whole import AnyPath, make_parent, read_whole, size_of

_UNMET = (409, 412)  # S3 says 409 when another conditional write is under way
_UNKNOWN = 501
_TRIES = 5


def write_if_absent(path: AnyPath, data: bytes) -> bool:
    """Write a small file if there is none; of several writers one succeeds.

    A store without conditional writes is asked first, which leaves a moment in which two may both succeed.

    Returns:
        Whether it holds ``data`` now by our doing.

    Raises:
        OSError, TargetError: It cannot be written.
    """
    if isinstance(path, UrlPath):
        with remote_errors(path.url):
            return _create(path, data)
    try:
        _write_new(path, data)
    except FileExistsError:
        return False
    return True


def version_of(path: UrlPath) -> str | None:
    """What changes whenever the file is written anew: its ETag on S3, else a digest; None if there is no file.

    Asked before the file is read, it is never newer than what is read.

    Raises:
        TargetError: The store does not answer.
    """
    if not _is_s3(path):
        data = read_whole(path)
        return None if data is None else hashlib.sha256(data).hexdigest()
    try:
        with remote_errors(path.url):
            return str(path.filesystem.info(path.url)["ETag"])
    except FileNotFoundError:
        return None


def write_if_version(path: UrlPath, data: bytes, version: str) -> bool:
    """Replace a small file if it is still that version; of several writers one succeeds.

    A store without conditional writes is asked first, as by `write_if_absent`.

    Args:
        path: The file.
        data: Unlike what anybody else writes there, so that a write is known again.
        version: By `version_of`.

    Returns:
        Whether it holds ``data`` now.

    Raises:
        TargetError: It cannot be written.
    """
    with remote_errors(path.url):
        met = _put(path, data, IfMatch=version) if _is_s3(path) else None
        if met is None and (met := version_of(path) == version):
            path.filesystem.pipe_file(path.url, data)
        return met or read_whole(path) == data  # a write whose answer was lost was repeated, and met itself


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as out:
        try:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _create(path: UrlPath, data: bytes) -> bool:
    for _ in range(_TRIES):
        if size_of(path) is None:
            make_parent(path)
            met = _put(path, data, mode="create")
            if met is None:
                path.filesystem.pipe_file(path.url, data)
            if met is not False:
                return True
        if (found := read_whole(path)) is not None:
            return found == data  # as above
        time.sleep(0.1)  # it was deleted meanwhile, or another writer is not done
    raise TargetError(f"{path} is written and deleted by others all the time", hint="end the other runs on it")


def _put(path: UrlPath, data: bytes, **condition: Any) -> bool | None:
    """Write on a condition: whether it was met; None if the store, or its package, knows no such condition."""
    try:
        path.filesystem.pipe_file(path.url, data, **condition)
    except (NotImplementedError, TypeError):
        return None
    except FileExistsError:
        return False
    except Exception as error:
        if (status := _status(error)) == _UNKNOWN:
            return None
        if status in _UNMET or (status == 404 and "IfMatch" in condition):
            return False
        raise
    return True


def _status(error: Exception) -> int | None:
    """The HTTP status that a store's package was answered with, as botocore tells it."""
    response = getattr(error.__cause__ or error, "response", None)
    metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
    return metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None


def _is_s3(path: UrlPath) -> bool:
    return "s3" in path.filesystem.protocol
