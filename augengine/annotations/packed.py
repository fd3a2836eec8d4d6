"""Zips of annotations: ImageJ's of regions, and QuPath's of one GeoJSON; unpacked within bounds."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from augengine.annotations.files import MAX_BYTES
from augengine.errors import SourceError
from augengine.sample import printable

ZIP_MAGICS = (b"PK\3\4", b"PK\5\6")  # the second begins an empty one

MAX_MEMBERS = 1 << 19
"""Files of a zip; zipfile takes half a kilobyte and 30 us for each before anybody can look at one."""

REGION = ".roi"
_DOCUMENTS = (".geojson", ".json")
_ENTRY = b"PK\1\2"  # of a zip's directory
_ZLIB = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, struct.error,
)  # fmt: skip


def unpack(data: bytes, file: Path) -> list[tuple[str, bytes]]:
    """The annotations of a zip: its regions, or its one document, each with its name.

    Raises:
        SourceError: A damaged zip, one without annotations or with several documents, or one that unpacks to more
            than `MAX_BYTES`.
    """
    if (count := data.count(_ENTRY)) > MAX_MEMBERS:
        raise SourceError(f"{file} holds {count} files, {MAX_MEMBERS} are allowed", hint="save fewer regions")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            inside = _choose([info for info in packed.infolist() if not _is_left_by_macos(info.filename)], file)
            _check_members(inside, file)
            return [(info.filename, _member(packed, info)) for info in inside]
    except _ZIP_ERRORS as error:
        raise SourceError(f"{file} is no whole zip: {error}", hint="was it copied whole? Save it again") from error


def _is_left_by_macos(name: str) -> bool:
    return "__MACOSX" in PurePosixPath(name).parts or PurePosixPath(name).name.startswith("._")


def _choose(inside: list[zipfile.ZipInfo], file: Path) -> list[zipfile.ZipInfo]:
    regions = [info for info in inside if info.filename.lower().endswith(REGION)]
    documents = [info for info in inside if info.filename.lower().endswith(_DOCUMENTS)]
    if not regions and not documents:
        hint = "save regions in ImageJ's ROI Manager (More, Save), or export a GeoJSON from QuPath"
        raise SourceError(f"{file} is a zip that holds neither a .roi file nor a .geojson", hint=hint)
    if len(documents) > (0 if regions else 1):
        named = ", ".join(printable(info.filename) for info in [*documents, *regions][:3])
        hint = "keep one slide's annotations in it: the regions, or one GeoJSON"
        raise SourceError(f"{file} is a zip of several annotation files: {named}", hint=hint)
    return regions or documents


def _check_members(inside: list[zipfile.ZipInfo], file: Path) -> None:
    if (size := sum(info.file_size for info in inside)) > MAX_BYTES:
        raise SourceError(f"{file} unpacks to {size} bytes, {MAX_BYTES} are allowed", hint="export fewer objects")
    if odd := [info.filename for info in inside if info.compress_type not in _ZLIB]:
        hint = "pack it again with the usual method, deflate"
        raise SourceError(f"{file} packs {printable(odd[0])} by another method than ImageJ's and QuPath's", hint=hint)


def _member(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # By its stated size: `packed.read` unpacks all there is before it compares, 700 MB of 680 KB that say 100 bytes.
    with packed.open(info) as opened:
        return opened.read(info.file_size)
