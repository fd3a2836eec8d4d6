"""A tar opened and walked, member by member; what no shard should hold stops it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

import fsspec

from augengine.errors import AugengineError, DamagedSource, SourceError
from augengine.shards.groups import Member, parse_name
from augengine.shards.headers import TAR_ERRORS, CheckedHeader, check_extent
from augengine.storage import check_no_credentials, filesystem_of, is_url, read_ahead, redact

UNPACK = "shards are read uncompressed: unpack it, for example with gunzip, and give the .tar"

MAX_PADDING_BYTES = 1 << 24
"""Zeros after a tar's end mark; tools fill up to a record, which has at most 1 MiB."""

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\3\4": "zip"}


@contextmanager
def open_tar(url: str, mode: Literal["r:", "r|"]) -> Iterator[tuple[tarfile.TarFile, BinaryIO]]:
    """A tar and the file that it is read from, to seek in or as a stream.

    Raises:
        SourceError: It is missing or cannot be read.
        DamagedSource: It is no plain file, compressed, no tar, cut short or damaged.
    """
    try:
        _check_plain_file(url)
        with _stream(url) as file, _damage(url):
            _check_head(file, url)
            with tarfile.open(fileobj=file, mode=mode, tarinfo=CheckedHeader) as tar:
                yield tar, file
    except FileNotFoundError as error:
        raise SourceError(f"there is no {url}") from error
    except AugengineError:
        raise
    except (OSError, ImportError, ValueError) as error:
        raise SourceError(f"{redact(url)} cannot be read: {redact(str(error))}") from error
    except Exception as error:
        if not is_url(url):
            raise
        # A store's package has errors of its own that are no OSErrors.
        raise SourceError(f"{url} cannot be read: {type(error).__name__}: {redact(str(error))}") from None


@contextmanager
def _damage(url: str) -> Iterator[None]:
    try:
        yield
    except AugengineError:
        raise
    except (*TAR_ERRORS, ValueError) as error:
        hint = "shards are uncompressed tars; check that it was copied whole"
        raise DamagedSource(f"{url} is no tar, or it is cut short or damaged: {error}", hint=hint) from error


def _stream(url: str) -> Any:
    if not is_url(url):
        return fsspec.open(url, "rb")
    filesystem = filesystem_of(check_no_credentials(url))
    return filesystem.open(url, "rb", **read_ahead(filesystem))


def _check_plain_file(url: str) -> None:
    """Refuse a pipe or a device, which would be waited for."""
    path = Path(url.removeprefix("file://"))
    if (not is_url(url) or url.startswith("file://")) and path.exists() and not path.is_file():
        raise DamagedSource(f"{url} is no plain file", hint="a folder is given by its own name; copy a pipe to a file")


def _check_head(file: BinaryIO, url: str) -> None:
    head = file.read(6)
    file.seek(0)
    if kind := next((kind for magic, kind in _COMPRESSED.items() if head.startswith(magic)), None):
        raise DamagedSource(f"{url} is compressed ({kind})", hint=UNPACK)


def _size(file: BinaryIO) -> int | None:
    """Bytes of what fsspec opened; None where the store does not tell."""
    size = getattr(file, "size", None)
    return size if isinstance(size, int) else None


def members_in(tar: tarfile.TarFile, url: str, file: BinaryIO) -> Iterator[tuple[Member, tarfile.TarInfo]]:
    """Each file and each link that is not hidden, with its header.

    Raises:
        DamagedSource: A member's path leads out of the tar, or it is a device or a pipe.
    """
    whole = _size(file)
    while (info := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # tarfile remembers every member otherwise
        _check_member(info, url)
        check_extent(tar, info, whole)
        parsed = parse_name(info.name.removeprefix("./"))
        link = _link_of(info)
        if parsed is not None and (link or info.isreg()):
            at, size = info.offset_data, info.size
            yield Member(name=info.name, raw=parsed[0], extension=parsed[1], offset=at, size=size, link=link), info


def _link_of(info: tarfile.TarInfo) -> str:
    if not (info.issym() or info.islnk()):
        return ""
    return f"a {'symbolic' if info.issym() else 'hard'} link to {info.linkname!r}"


def _check_member(info: tarfile.TarInfo, url: str) -> None:
    path = PurePosixPath(info.name)
    if path.is_absolute() or ".." in path.parts or "\\" in info.name:
        raise DamagedSource(f"{url} holds the member {info.name!r}, whose path leads out of it", hint=_UNTRUSTED)
    if not (info.isfile() or info.isdir() or info.issym() or info.islnk()) or info.issparse():
        raise DamagedSource(f"{url} holds the member {info.name!r}, which is no plain file", hint=_UNTRUSTED)


_UNTRUSTED = "no tool writes such shards; where did it come from?"


def check_end(file: BinaryIO, offset: int, url: str) -> None:
    """Refuse a tar without an end mark at ``offset``, where its members end, or with more than zeros behind it.

    Raises:
        DamagedSource: It has none, or goes on.
    """
    # tarfile takes a damaged header for the end, and a tar cut between two members for a whole one.
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or block.count(0) < len(block):
        hint = "check that it was copied whole"
        raise DamagedSource(f"{url} is cut short or damaged: no end mark at byte {offset}", hint=hint)
    left = 0
    while (more := file.read(1 << 20)) and left <= MAX_PADDING_BYTES:
        left += len(more)
        if more.count(0) < len(more) or left > MAX_PADDING_BYTES:
            hint = "were two tars joined by cat? Join them with tar --concatenate, or give both"
            raise DamagedSource(f"{url} goes on after its end mark at byte {offset}", hint=hint)
