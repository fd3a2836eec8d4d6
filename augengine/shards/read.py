"""Read the samples of a tar: its headers for the plan, its bytes in order, or where members lie."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from typing import Any, BinaryIO, cast

from augengine.errors import ContentError, SourceError
from augengine.listing import Entry, failed_as
from augengine.pictures.headers import read_size
from augengine.sample import Failure, Sample, printable
from augengine.shards.groups import (
    MAX_JSON_BYTES,
    MAX_MEMBERS,
    MAX_SAMPLE_BYTES,
    Group,
    Grouped,
    Member,
    check_bytes,
    check_group,
    group_members,
)
from augengine.shards.roles import MemberNames, extension_format
from augengine.shards.walk import check_end, members_in, open_tar

_USUAL = MemberNames()


@dataclass(frozen=True, slots=True, kw_only=True)
class TarListing:
    """What the headers of a tar tell.

    Attributes:
        entries: Its samples in order.
        meta: The json of its first sample, empty if it has none or a bad one.
        strays: Names of files that belong to no sample, and of links that have no sample's name.
        apart: Whether it must be read with its headers first: members of a sample are not next to each other, lie
            under two keys, or files lie between them that belong to none.
    """

    entries: tuple[Entry, ...]
    meta: Mapping[str, Any]
    strays: tuple[str, ...] = ()
    apart: bool = False


def scan_tar(url: str, names: MemberNames = _USUAL) -> TarListing:
    """List a tar's samples from its headers; their bytes are skipped.

    Args:
        url: A path, or an URL that fsspec knows.
        names: Which members are images and masks.

    Raises:
        SourceError: It is missing or cannot be read.
        DamagedSource: It is no plain file, no tar, cut short or damaged, or it holds what no shard should: a path
            that leads elsewhere, a device.
    """
    with open_tar(url, "r:") as (tar, file):
        sides: dict[int, tuple[int, int]] = {}
        grouped = group_members(_measured(tar, url, file, names, sides), names)
        check_end(file, tar.offset, url)
        meta = _first_meta(file, grouped)
    entries = tuple(_entry(group, names, sides) for group in grouped.samples)
    return TarListing(entries=entries, meta=meta, strays=grouped.strays, apart=grouped.apart)


def read_tar(
    url: str, first: int, count: int, excluded: Mapping[int, str], *, apart: bool = False, names: MemberNames = _USUAL
) -> Iterator[Sample | Failure]:
    """The samples ``first`` ... ``first + count - 1`` of a tar.

    Args:
        url: A path, or an URL that fsspec knows.
        first, count: Which samples, by ordinal.
        excluded: Samples known to be bad: ordinal -> reason; their bytes are skipped.
        apart: Whether the tar's listing says so. Then its headers are read first, and the bytes of each sample where
            they lie; else it is read once from its beginning as a stream.
        names: Which members are images and masks.

    Yields:
        One outcome a sample, in order.

    Raises:
        SourceError: It cannot be read or is damaged, as in `scan_tar`, or it holds fewer samples than asked for.
    """
    found = 0
    with open_tar(url, "r:" if apart else "r|") as (tar, file):
        groups = _groups_apart(tar, url, file, names) if apart else _groups_in_turn(tar, url, file)
        for ordinal, (group, read) in islice(enumerate(groups), first, first + count):
            found += 1
            if ordinal in excluded:
                yield Failure(failed_as(group.name, group.key, excluded[ordinal]), excluded[ordinal])
            else:
                yield _outcome(group, read, names)
    if found < count:
        hint = "was it changed or cut short since it was planned?"
        raise SourceError(f"{url} holds {first + found} samples, {first + count} were planned", hint=hint)


def read_members(url: str, key: str) -> dict[str, bytes]:
    """The members of one sample as they are, by extension; empty if the tar has no such key.

    Raises:
        SourceError: It cannot be read or is damaged, as in `scan_tar`.
        ContentError: It is larger than any should be.
    """
    with open_tar(url, "r:") as (tar, file):
        found = [member for member, _ in members_in(tar, url, file) if member.raw == key]
        check_bytes({member.extension: member.size for member in found})
        return {member.extension: _bytes_at(file, member) for member in found}


def parse_meta(data: bytes) -> dict[str, Any]:
    """The object of a sample's json.

    Raises:
        ContentError: Not json, no object, or a value that json cannot carry on (NaN, half a character).
    """
    try:
        meta = json.loads(data)
        json.dumps(meta, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ContentError(f"its json cannot be read: {error}") from error
    if not isinstance(meta, dict):
        raise ContentError(f"its json is a {type(meta).__name__}, not an object", hint='write {"mpp": 0.5, ...}')
    return meta


def is_own(meta: Mapping[str, Any]) -> bool:
    """Whether the json of a sample says that `augment` made it."""
    return {"source_key", "variant", "noise_version"} <= meta.keys()


def source_meta(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the source of a sample said of itself: the json of a tile, or the text that a made sample's json holds.

    Raises:
        ContentError: That is no text, or no json object.
    """
    if "source_key" not in meta or "source" not in meta:
        return meta
    text = meta["source"]
    if not isinstance(text, str):
        hint = "another version of augengine wrote it: make the shards anew"
        raise ContentError(f"its json has a {type(text).__name__} under source, not a text", hint=hint)
    return parse_meta(text.encode()) if text else {}


def meta_text(data: bytes) -> str:
    """The text of a json that `parse_meta` takes, as it stands, without a byte order mark."""
    return data.decode(json.detect_encoding(data))


def _measured(
    tar: tarfile.TarFile, url: str, file: BinaryIO, names: MemberNames, sides: dict[int, tuple[int, int]]
) -> Iterator[Member]:
    """The members; ``sides`` gets the height and width of what may be an image, by offset.

    Measured on the way, since on a store a second pass over all images would fetch the tar again.
    """
    for member, info in members_in(tar, url, file):
        if not member.link and names.may_be_image(member.extension):
            sides[member.offset] = read_size(cast(BinaryIO, tar.extractfile(info))) or (0, 0)
        yield member


def _entry(group: Group, names: MemberNames, sides: Mapping[int, tuple[int, int]]) -> Entry:
    try:
        roles = check_group(group, names)
    except ContentError as error:
        return Entry(key=group.key, files=_files((*group.members, *group.beside)), reason=error.sentence)
    height, width = sides[roles.image.offset]
    mask = printable(roles.mask.name) if roles.mask else ""
    extras = tuple(member.extension for member in roles.extras)
    return Entry(key=group.key, files=_files(roles.all), height=height, width=width, mask=mask, extras=extras)


def _files(members: Iterable[Member]) -> tuple[tuple[str, int], ...]:
    return tuple((printable(member.name), member.size) for member in members)


def _first_meta(file: BinaryIO, grouped: Grouped) -> dict[str, Any]:
    jsons = [m for group in grouped.samples[:1] for m in group.members if m.extension == "json" and not m.link]
    try:
        return parse_meta(_bytes_at(file, jsons[0])) if jsons and jsons[0].size <= MAX_JSON_BYTES else {}
    except ContentError:
        return {}  # named when the sample is read


def _bytes_at(file: BinaryIO, member: Member) -> bytes:
    file.seek(member.offset)
    return file.read(member.size)


_Read = Callable[[Member], bytes]


def _groups_apart(tar: tarfile.TarFile, url: str, file: BinaryIO, names: MemberNames) -> Iterator[tuple[Group, _Read]]:
    grouped = group_members((member for member, _ in members_in(tar, url, file)), names)
    yield from ((group, partial(_bytes_at, file)) for group in grouped.samples)


def _groups_in_turn(tar: tarfile.TarFile, url: str, file: BinaryIO) -> Iterator[tuple[Group, _Read]]:
    """The groups of neighbours with one key, each with the bytes of its members."""
    seen: set[str] = set()
    members = (found for found in members_in(tar, url, file) if found[0].raw)
    for raw, neighbours in groupby(members, key=lambda found: found[0].raw):
        if raw in seen:
            hint = "augment into a new folder, or put it back as it was"
            raise SourceError(f"{url} was changed since it was planned: {raw!r} comes twice", hint=hint)
        seen.add(raw)
        group, data = Group(raw), dict[str, bytes]()
        # In a stream a member's bytes are gone once the next header is read: too large ones are never loaded.
        for member, info in islice(neighbours, MAX_MEMBERS + 1):
            group.members.append(member)
            if sum(each.size for each in group.members) <= MAX_SAMPLE_BYTES and not member.link:
                data[member.name] = cast(BinaryIO, tar.extractfile(info)).read()
        yield group, partial(_of_member, data)


def _of_member(data: Mapping[str, bytes], member: Member) -> bytes:
    return data[member.name]


def _outcome(group: Group, read: _Read, names: MemberNames) -> Sample | Failure:
    try:
        roles = check_group(group, names)
        meta = b"" if roles.meta is None else read(roles.meta)
        return Sample(
            key=group.key,
            image=read(roles.image),
            image_ext=extension_format(roles.image.extension),
            mask=None if roles.mask is None else read(roles.mask),
            meta=parse_meta(meta) if roles.meta is not None else {},
            meta_text=meta_text(meta),
            extras={member.extension: read(member) for member in roles.extras},
        )
    except ContentError as error:
        return Failure(group.key, error.sentence)
