"""Where encoded pictures lie: in a folder, within tars, or a single file; found by the sources of augengine."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import fsspec

from augengine.errors import ContentError, SourceError
from augengine.listing import Entry
from augengine.sample import Sample, printable
from augengine.shards.groups import MAX_JSON_BYTES
from augengine.shards.read import parse_meta
from augengine.shards.roles import IMAGE_EXTS
from augengine.sources import FolderSource, TarsSource, open_source
from augengine.storage import is_url

_NAMED = 5
_GIVE = "name a field, a folder of fields or patches, or source shards (shards-{000000..000009}.tar)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One encoded picture, unread.

    Attributes:
        name: How the source calls it: a path relative to its folder, or a member's name.
        file: The path or URL that holds it.
        offset: Its first byte there.
        size: Its bytes; None: to the end.
        mpp: um/px as its json says; None if that says nothing.
    """

    name: str
    file: str
    offset: int = 0
    size: int | None = None
    mpp: float | None = None

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            SourceError: They cannot be read.
        """
        try:
            with open_binary(self.file) as stream:
                stream.seek(self.offset)
                return stream.read(-1 if self.size is None else self.size)
        except OSError as error:
            raise SourceError(f"{self.name} in {self.file} cannot be read: {error}") from error


def find_pictures(text: str, *, name: str) -> list[Place]:
    """The pictures that a user means, in the source's order.

    Args:
        text: An image, a folder of images or of tars, a tar, a brace pattern, a glob, an URL of tars.
        name: Name of the stain.

    Raises:
        SourceError: There is no such thing, or some of it cannot be listed.
    """
    if Path(text).is_file() and Path(text).suffix[1:].lower() in IMAGE_EXTS:
        file = Path(text)
        return [Place(name=file.name, file=str(file.absolute()), mpp=_sidecar_mpp(file.with_suffix(".json")))]
    if "://" not in text and not any(sign in text for sign in "{*?[") and not Path(text).exists():
        raise SourceError(f"there is no {text}", hint=_GIVE)
    source = open_source(text, stain=name)
    listing = source.scan()
    refuse_bad({entry.name: entry.reason for entry in listing.bad}, text)
    if isinstance(source, FolderSource):
        if is_url(source.folder):
            raise SourceError(
                f"{text} is a folder on a store", hint="training reads pictures from disks; copy it, or tar it"
            )
        return [_in_folder(Path(source.folder), entry) for entry in listing.entries()]
    assert isinstance(source, TarsSource)
    return [place for unit in listing.units for place in _in_tar(unit.source, unit.entries)]


def refuse_bad(reasons: Mapping[str, str], text: str) -> None:
    """Refuse a source some of whose pictures cannot be trained on, naming the first ones.

    A training set is chosen by hand, so nothing is left out silently, as `augment` may do.

    Args:
        reasons: Picture -> why it is bad.
        text: The source.

    Raises:
        SourceError: There are any.
    """
    if reasons:
        some = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:_NAMED])
        more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
        raise SourceError(f"{text} holds what cannot be trained on: {some}{more}", hint="repair or remove them")


def open_binary(file: str) -> BinaryIO:
    """A path or an URL of fsspec's, opened to read bytes."""
    return cast(BinaryIO, fsspec.open(file, "rb").open()) if "://" in file else Path(file).open("rb")


def _in_folder(folder: Path, entry: Entry) -> Place:
    sidecars = [folder / name for name, _ in entry.files if name.endswith(".json")]
    mpp = _sidecar_mpp(sidecars[0]) if sidecars else None
    return Place(name=entry.name, file=str(folder / entry.name), mpp=mpp)


def _sidecar_mpp(file: Path) -> float | None:
    if not file.is_file():
        return None
    try:
        return _mpp(file.read_bytes()[: MAX_JSON_BYTES + 1], file.name)
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror}") from error


def _mpp(data: bytes, name: str) -> float | None:
    try:
        return Sample(key="", image=b"", image_ext="", meta=parse_meta(data)).mpp
    except ContentError as error:
        raise SourceError(f"{name}: {error.message}", hint='write {"mpp": 0.5, ...}') from error


def _in_tar(url: str, entries: tuple[Entry, ...]) -> Iterator[Place]:
    with open_binary(url) as stream:
        spans = spans_of(stream)
        for entry in entries:
            meta = next((name for name, _ in entry.files if _extension(name) == "json"), None)
            mpp = None if meta is None else _mpp(_member(stream, *spans[meta]), meta)
            offset, size = spans[entry.name]
            yield Place(name=entry.name, file=url, offset=offset, size=size, mpp=mpp)


def spans_of(stream: BinaryIO) -> dict[str, tuple[int, int]]:
    """First byte and size of every member of a tar, by name; the listing has checked the tar."""
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        return {printable(info.name): (info.offset_data, info.size) for info in tar if info.isreg()}


def _member(stream: BinaryIO, offset: int, size: int) -> bytes:
    stream.seek(offset, io.SEEK_SET)
    return stream.read(size)


def _extension(name: str) -> str:
    return PurePosixPath(name).name.partition(".")[2].lower()
