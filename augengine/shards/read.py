"""Read the samples of a tar, by webdataset's conventions: its headers for the plan, its bytes as one stream."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal, cast

import fsspec

from augengine.errors import AugengineError, ContentError, DamagedSource, SourceError
from augengine.listing import Entry
from augengine.pictures.images import read_size
from augengine.sample import Failure, Sample, check_key, clean_key, printable
from augengine.shards.headers import TAR_ERRORS, CheckedHeader, check_extent
from augengine.storage import check_no_credentials, filesystem_of, is_url, read_ahead, redact

IMAGE_EXTS = ("png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp")
"""What is taken for the image, the first that a sample has."""

MASK_EXTS = ("seg.png", "seg.tif", "mask.png")
"""What is taken for the mask, the first that a sample has."""

MAX_JSON_BYTES = 1 << 20
MAX_SAMPLE_BYTES = 1 << 28
MAX_MEMBERS = 1000

# webdataset's rules: the key ends at the first dot of the file's name; other names are no samples, nor is __x__.
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")
_SKIPPED = re.compile(r"__[^/]*__($|/)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TarListing:
    """What the headers of a tar tell.

    Attributes:
        entries: Its samples in order.
        meta: The json of its first sample, empty if it has none or a bad one.
    """

    entries: tuple[Entry, ...]
    meta: Mapping[str, Any]


def scan_tar(url: str) -> TarListing:
    """List a tar's samples from its headers; their bytes are skipped.

    Args:
        url: A path, or an URL that fsspec knows.

    Raises:
        SourceError: It is missing or cannot be read.
        DamagedSource: It is no tar, cut short or damaged, or it holds what no shard should: a path that leads
            elsewhere, a link, a device.
    """
    entries: list[Entry] = []
    meta: dict[str, Any] = {}
    with _open(url, "r:") as (tar, file):
        for key, members in groupby(_members(tar, url, _size(file)), key=itemgetter(0)):
            group = list(islice(members, MAX_MEMBERS + 1))
            meta = meta if entries else _meta(tar, group)
            entries.append(_entry(tar, key, group))
        _check_end(file, tar.offset, url)
    return TarListing(entries=tuple(entries), meta=meta)


def read_tar(url: str, first: int, count: int, excluded: Mapping[int, str]) -> Iterator[Sample | Failure]:
    """The samples ``first`` ... ``first + count - 1`` of a tar, read once from its beginning as a stream.

    Args:
        url: A path, or an URL that fsspec knows.
        first, count: Which samples, by ordinal.
        excluded: Samples known to be bad: ordinal -> reason; their bytes are skipped.

    Yields:
        One outcome a sample, in order.

    Raises:
        SourceError: It cannot be read or is damaged, as in `scan_tar`, or it holds fewer samples than asked for.
    """
    with _open(url, "r|") as (tar, file):
        groups = enumerate(groupby(_members(tar, url, _size(file)), key=itemgetter(0)))
        found = 0
        for ordinal, (key, group) in islice(groups, first, first + count):
            found += 1
            yield Failure(key, excluded[ordinal]) if ordinal in excluded else _read_sample(tar, key, group)
    if found < count:
        hint = "was it changed or cut short since it was planned?"
        raise SourceError(f"{url} holds {first + found} samples, {first + count} were planned", hint=hint)


def read_members(url: str, key: str) -> dict[str, bytes]:
    """The members of one sample as they are, by extension; empty if the tar has no such key.

    Raises:
        SourceError: It cannot be read or is damaged, as in `scan_tar`.
        ContentError: It is larger than any should be.
    """
    with _open(url, "r:") as (tar, file):
        found = [(ext, info) for of, ext, info in _members(tar, url, _size(file)) if of == key]
        check_bytes({ext: info.size for ext, info in found})
        return {ext: _data(tar, info).read() for ext, info in found}


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


def check_bytes(sizes: Mapping[str, int]) -> None:
    """Refuse a sample that is larger than any should be.

    Args:
        sizes: Extension -> bytes.

    Raises:
        ContentError: The json exceeds ``MAX_JSON_BYTES``, or everything together ``MAX_SAMPLE_BYTES``.
    """
    if (size := sizes.get("json", 0)) > MAX_JSON_BYTES:
        raise ContentError(f"its .json has {size} bytes, {MAX_JSON_BYTES} are allowed")
    if (total := sum(sizes.values())) > MAX_SAMPLE_BYTES:
        raise ContentError(f"it has {total} bytes, {MAX_SAMPLE_BYTES} are allowed")


@contextmanager
def _open(url: str, mode: Literal["r:", "r|"]) -> Iterator[tuple[tarfile.TarFile, BinaryIO]]:
    try:
        with _stream(url) as file, _damage(url), tarfile.open(fileobj=file, mode=mode, tarinfo=CheckedHeader) as tar:
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


_Member = tuple[str, str, tarfile.TarInfo]


def _size(file: BinaryIO) -> int | None:
    """Bytes of what fsspec opened; None where the store does not tell."""
    size = getattr(file, "size", None)
    return size if isinstance(size, int) else None


def _members(tar: tarfile.TarFile, url: str, whole: int | None) -> Iterator[_Member]:
    """Key, extension and header of each member that belongs to a sample."""
    while (info := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # tarfile remembers every member otherwise
        _check_member(info, url)
        check_extent(tar, info, whole)
        name = info.name.removeprefix("./")
        if info.isreg() and not _SKIPPED.match(name) and (parts := _NAME.fullmatch(name)):
            yield clean_key(parts[1]), parts[2].lower(), info


def _check_member(info: tarfile.TarInfo, url: str) -> None:
    path = PurePosixPath(info.name)
    if path.is_absolute() or ".." in path.parts or "\\" in info.name:
        raise DamagedSource(f"{url} holds the member {info.name!r}, whose path leads out of it", hint=_UNTRUSTED)
    if not (info.isfile() or info.isdir()) or info.issparse():
        raise DamagedSource(f"{url} holds the member {info.name!r}, which is no plain file", hint=_UNTRUSTED)


_UNTRUSTED = "no tool writes such shards; where did it come from?"


def _check_end(file: BinaryIO, offset: int, url: str) -> None:
    # tarfile takes a damaged header for the end, and a tar cut between two members for a whole one.
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or block.count(0) < len(block):
        hint = "check that it was copied whole"
        raise DamagedSource(f"{url} is cut short or damaged: no end mark at byte {offset}", hint=hint)


def _entry(tar: tarfile.TarFile, key: str, group: list[_Member]) -> Entry:
    infos = {extension: info for _, extension, info in group}
    files = tuple((printable(info.name), info.size) for _, _, info in group)
    try:
        image = _check_group(key, [extension for _, extension, _ in group], infos)
    except ContentError as error:
        return Entry(key=key, files=files, reason=error.message)
    height, width = read_size(_data(tar, infos[image])) or (0, 0)
    return Entry(key=key, files=files, height=height, width=width)


def _check_group(key: str, extensions: list[str], infos: Mapping[str, tarfile.TarInfo]) -> str:
    """Check what the headers of a sample tell and return its image's extension."""
    if len(extensions) > MAX_MEMBERS:
        raise ContentError(f"it has more than {MAX_MEMBERS} members")
    if len(infos) < len(extensions):
        doubled = next(extension for extension, count in Counter(extensions).items() if count > 1)
        raise ContentError(f"it has the member .{doubled} more than once")
    check_bytes({extension: info.size for extension, info in infos.items()})
    image = _first(IMAGE_EXTS, infos)
    if image is None:
        raise ContentError(f"it has no image, only {', '.join('.' + e for e in extensions)}")
    check_key(key, tuple(extensions))
    return image


def _first(wanted: tuple[str, ...], found: Mapping[str, Any]) -> str | None:
    return next((extension for extension in wanted if extension in found), None)


def _data(tar: tarfile.TarFile, info: tarfile.TarInfo) -> BinaryIO:
    return cast(BinaryIO, tar.extractfile(info))  # None only for members that are no files, see `_check_member`


def _meta(tar: tarfile.TarFile, group: list[_Member]) -> dict[str, Any]:
    jsons = [info for _, extension, info in group if extension == "json"]
    try:
        return parse_meta(_data(tar, jsons[0]).read(MAX_JSON_BYTES)) if jsons else {}
    except ContentError:
        return {}  # named when the sample is read


def _read_sample(tar: tarfile.TarFile, key: str, group: Iterator[_Member]) -> Sample | Failure:
    # In a stream a member's bytes are gone once the next header is read: too large ones are never loaded.
    extensions: list[str] = []
    infos: dict[str, tarfile.TarInfo] = {}
    data: dict[str, bytes] = {}
    loaded = 0
    for _, extension, info in islice(group, MAX_MEMBERS + 1):
        extensions.append(extension)
        infos[extension] = info
        loaded += info.size
        if loaded <= MAX_SAMPLE_BYTES:
            data[extension] = _data(tar, info).read()
    try:
        image_ext = _check_group(key, extensions, infos)
        return make_sample(key, image_ext, data)
    except ContentError as error:
        return Failure(key, error.message)


def make_sample(key: str, image_ext: str, data: dict[str, bytes]) -> Sample:
    """A sample from its members by extension.

    Raises:
        ContentError: Its json is bad.
    """
    rest = dict(data)
    image, mask_ext, meta = rest.pop(image_ext), _first(MASK_EXTS, rest), rest.pop("json", None)
    mask = rest.pop(mask_ext) if mask_ext else None
    parsed = parse_meta(meta) if meta is not None else {}
    return Sample(key=key, image=image, image_ext=image_ext, mask=mask, meta=parsed, extras=rest)
