"""Write a shard, the same bytes every time, and publish it: the only place that commits a file.

A shard is finished in the spool, then published: tar, index, and last its report, the commit mark.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from augengine.errors import ContentError, ShardError, TargetError
from augengine.sample import MASK_EXT, MAX_MEMBER_BYTES
from augengine.shards.tar_header import end_of_tar, member_header, padding
from augengine.storage import AnyPath, path_of, publish_url

Members = Sequence[tuple[str, bytes]]
"""The members of a sample: extension and bytes."""

INDEX_VERSION = "v1.2"

_HINTS = {
    errno.ENOSPC: "free some space or choose another folder, then run again: finished shards are kept",
    errno.EDQUOT: "the disk quota is used up; free some space, then run again: finished shards are kept",
    errno.EACCES: "choose a folder that you may write, or change its permissions",
    errno.EPERM: "choose a folder that you may write, or change its permissions",
    errno.EROFS: "the filesystem is read-only; choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
}


@contextmanager
def target_errors(target: AnyPath | str) -> Iterator[None]:
    """Translate the filesystem's errors while ``target`` is written into `TargetError`, with the next step."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        hint = _HINTS.get(error.errno or 0, "check the disk, then run again: finished shards are kept")
        raise TargetError(f"cannot write {target}: {reason}", hint=hint) from error


def members_of(
    image: bytes, image_format: str, *, mask: bytes | None, json: bytes, extras: Mapping[str, bytes]
) -> list[tuple[str, bytes]]:
    """A sample's members in their fixed order: image, ``seg.png``, ``json``, the source's others by name.

    Raises:
        ContentError: One of the source's other members has the name of one of ours.
    """
    own = [(image_format, image), *([(MASK_EXT, mask)] if mask is not None else []), ("json", json)]
    if taken := {image_format, MASK_EXT, "json"}.intersection(extras):
        name = min(taken)
        raise ContentError(
            f"the source has a member .{name} besides its image, mask and json, and that name is needed",
            hint="rename it, or choose another --format",
        )
    return own + sorted(extras.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A finished shard in the spool: tar, index, and the tar's digest (hex), bytes and samples."""

    tar: Path
    index: Path
    sha256: str
    size: int
    samples: int


class ShardWriter:
    """Writes one shard and its index into a local folder, as a context or by `close` and `discard`.

    USTAR, time 0, fixed owner and mode: the bytes depend on the members alone. An error that leaves a ``with``
    block removes what was written.

    Args:
        file: The tar, in a folder that is made if missing; its index lies beside it, as ``.idx``.

    Raises:
        TargetError: The folder is full or cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lines: list[str] = []
        self._written: Written | None = None
        with target_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._out = _HashingFile(file)

    def add(self, key: str, members: Members) -> None:
        """Append a sample.

        Args:
            key: Without a dot, variant suffix included.
            members: Extension and bytes of each, in the order wanted.

        Raises:
            ShardError: A name that readers would cut, drop or misread.
            TargetError: The folder is full or cannot be written.
        """
        for extension, _ in members:
            _check_name(key, f"{key}.{extension}")
        with target_errors(self.file):
            parts = [self._add_member(key, extension, data) for extension, data in members]
        self._lines.append(" ".join(parts))

    def _add_member(self, key: str, extension: str, data: bytes) -> str:
        name = f"{key}.{extension}"
        self._out.write(member_header(name, len(data)))
        offset = self._out.tell()
        self._out.write(data)
        self._out.write(padding(len(data)))
        return f"{extension} {offset} {len(data)} {name}"

    def close(self) -> Written:
        """Finish tar and index, ready for `publish`; a second call says the same again.

        Raises:
            TargetError: The folder is full or cannot be written; nothing is left.
        """
        if self._written is not None:
            return self._written
        index = self.file.with_suffix(".idx")
        try:
            with target_errors(self.file):
                self._out.write(end_of_tar(self._out.tell()))
                self._out.close()
                header = f"{INDEX_VERSION} {len(self._lines)}"
                index.write_text("\n".join([header, *self._lines]) + "\n", encoding="utf-8")
        except BaseException:
            self.discard()
            raise
        sha256, size = self._out.digest.hexdigest(), self._out.tell()
        self._written = Written(tar=self.file, index=index, sha256=sha256, size=size, samples=len(self._lines))
        return self._written

    def discard(self) -> None:
        """Remove what was written; a second call does nothing."""
        # An error brought us here, and that is the one to tell of.
        with suppress(OSError):
            self._out.close()
        for file in (self.file, self.file.with_suffix(".idx")):
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def _check_name(key: str, name: str) -> None:
    # The index is split at white space, keys end at the first dot, and DALI drops names of more than 100 bytes.
    if not key or any(bad in key for bad in "./ ") or not name.isprintable() or " " in name:
        raise ShardError(
            f"the member name {name!r} holds a space or an unprintable character, or its key a dot or slash"
        )
    if len(name.encode()) > MAX_MEMBER_BYTES:
        raise ShardError(f"the member name {name!r} has more than {MAX_MEMBER_BYTES} bytes", hint="shorten the key")


class _HashingFile(io.RawIOBase):
    """A file that keeps the digest of what was written."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.digest = hashlib.sha256()
        self._size = 0
        self._raw = file.open("wb")

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._raw.write(data)
        self.digest.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._raw.close()


def publish(local_file: Path, place: AnyPath | str) -> None:
    """Move a finished local file to its place, whole or not at all; what stood there is replaced.

    Args:
        local_file: Finished and closed; gone afterwards.
        place: Where it belongs: a path, or an URL that fsspec knows.

    Raises:
        TargetError: It could not be moved; ``place`` is as it was before.
    """
    place = path_of(place)
    with target_errors(place):
        if isinstance(place, Path):
            _publish_local(local_file, place)
        else:
            publish_url(local_file, place)
            local_file.unlink()


def _publish_local(local_file: Path, target: Path) -> None:
    _sync(local_file)
    try:
        local_file.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_beside(local_file, target)
        local_file.unlink()
    _sync(target.parent)


def _copy_beside(local_file: Path, target: Path) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(local_file, beside)
        _sync(beside)
        beside.replace(target)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
