"""The members of a shard and its jsons, listed once: by the index beside it, or by a walk over its headers."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from augengine.errors import DamagedSource, SourceError
from augengine.shards.groups import MAX_JSON_BYTES, Grouped, Member, group_members, parse_name
from augengine.shards.roles import MemberNames
from augengine.shards.walk import check_end, members_in, open_tar
from augengine.shards.write import INDEX_VERSION
from augengine.storage import is_url, open_plain, read_plain

MAX_INDEX_BYTES = 1 << 27
"""Largest index that is read: parsed, it takes about six times as much memory."""

_LOCAL = "file://"
_FIELDS = 4
"""What v1.2 says of a member: extension, first byte, bytes and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedShard:
    """A shard whose pictures are unread.

    Attributes:
        grouped: Its members, put together to samples.
        jsons: The bytes of its json members, by offset.
    """

    grouped: Grouped
    jsons: dict[int, bytes]


def list_shard(url: str, names: MemberNames) -> ListedShard:
    """List a shard. An index that does not fit its tar is passed over, and the tar is walked.

    Args:
        url: A path, or an URL that fsspec knows.
        names: Which members are images and masks.

    Raises:
        SourceError: It is missing or cannot be read.
        DamagedSource: It is no plain file, no tar, cut short or damaged.
    """
    path = local_path(url)
    indexed = read_index(path) if path is not None else None
    if path is None or indexed is None:
        return _walk(url, names)
    try:
        with open_plain(path) as tar:
            jsons = {member.offset: _bytes_at(tar, member) for member in indexed if _is_json(member)}
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    return ListedShard(grouped=group_members(indexed, names), jsons=jsons)


def local_path(url: str) -> Path | None:
    """The path of a local file, also one that is written as an URL; None on a store."""
    if url.startswith(_LOCAL):
        return Path(url.removeprefix(_LOCAL))
    return None if is_url(url) else Path(url)


def read_index(tar: Path) -> tuple[Member, ...] | None:
    """The members of a tar by the index beside it, in the tar's order.

    Returns:
        None where there is no such index, where it is of another version or malformed, or where it does not fit the
        tar: the headers of its first and last member and the end mark behind the last are looked at.
    """
    file = tar.with_suffix(".idx")
    try:
        if not tar.is_file():
            return None
        version, *lines = read_plain(file, limit=MAX_INDEX_BYTES).decode().splitlines()
        members = [member for line in lines for member in _members_of(line)]
        whole = version.split() == [INDEX_VERSION, str(len(lines))]
        with open_plain(tar) as stream:
            return tuple(_visible(members)) if whole and members and _fits(stream, members) else None
    except (OSError, ValueError, *_TAR_ERRORS):
        return None


_TAR_ERRORS = (tarfile.TarError, EOFError)


def _members_of(line: str) -> Iterator[Member]:
    fields = line.split(" ")
    if len(fields) % _FIELDS:
        raise ValueError(f"{len(fields)} fields in a line of an index")
    for at in range(0, len(fields), _FIELDS):
        name, offset, size = fields[at + 3], int(fields[at + 1]), int(fields[at + 2])
        if offset < tarfile.BLOCKSIZE or size < 0:
            raise ValueError(f"{name} begins at byte {offset} and has {size}")
        yield Member(name=name, raw="", extension="", offset=offset, size=size)


def _visible(members: Iterable[Member]) -> Iterator[Member]:
    """The members with their keys, as a walk over the headers gives them."""
    for member in sorted(members, key=lambda member: member.offset):
        parsed = parse_name(member.name.removeprefix("./"))
        if parsed is not None:
            yield Member(name=member.name, raw=parsed[0], extension=parsed[1], offset=member.offset, size=member.size)


def _fits(tar: BinaryIO, members: list[Member]) -> bool:
    first, last = (choose(members, key=lambda member: member.offset) for choose in (min, max))
    end = last.offset + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    tar.seek(end)
    mark = tar.read(tarfile.BLOCKSIZE)
    return len(mark) == tarfile.BLOCKSIZE == mark.count(0) and all(_has_header(tar, each) for each in (first, last))


def _has_header(tar: BinaryIO, member: Member) -> bool:
    tar.seek(member.offset - tarfile.BLOCKSIZE)
    header = tarfile.TarInfo.frombuf(tar.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    return header.isreg() and (header.name, header.size) == (member.name, member.size)


def _walk(url: str, names: MemberNames) -> ListedShard:
    jsons: dict[int, bytes] = {}
    with open_tar(url, "r:") as (tar, file):
        grouped = group_members(_walked(tar, url, file, jsons), names)
        check_end(file, tar.offset, url)
    return ListedShard(grouped=grouped, jsons=jsons)


def _walked(tar: tarfile.TarFile, url: str, file: BinaryIO, jsons: dict[int, bytes]) -> Iterator[Member]:
    """The members; ``jsons`` is filled on the way, since on a store a second pass would fetch the tar again."""
    for member, info in members_in(tar, url, file):
        if _is_json(member):
            jsons[member.offset] = cast(BinaryIO, tar.extractfile(info)).read()
        yield member


def _is_json(member: Member) -> bool:
    return member.extension == "json" and not member.link and member.size <= MAX_JSON_BYTES


def _bytes_at(tar: BinaryIO, member: Member) -> bytes:
    tar.seek(member.offset)
    data = tar.read(member.size)
    if len(data) < member.size:
        raise DamagedSource(f"{member.name} reaches beyond the end of its tar", hint="check that it was copied whole")
    return data
