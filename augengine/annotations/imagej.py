"""ImageJ's regions of interest, one .roi or a zip of them: level-0 pixels, y downwards. Owner of roifile."""

from __future__ import annotations

import io
import logging
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from roifile import ROI_TYPE, ImagejRoi

from augengine.annotations.base import Drawn
from augengine.annotations.files import MAX_BYTES
from augengine.annotations.geometry import ellipse, rectangle
from augengine.errors import ContentError, SourceError
from augengine.sample import printable

ROI_MAGIC = b"Iout"
ZIP_MAGIC = b"PK"

_OUTLINES = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
_AUTOMATIC = re.compile(r"[\d\-_ ]*")  # 0075-1108: what ImageJ calls a region that nobody named
_NUMBER = re.compile(r"[\s_\-#]+\d+$")
_ROI_ERRORS = (ValueError, IndexError, TypeError, RuntimeError, OverflowError, LookupError, struct.error)
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, struct.error,
)  # fmt: skip

MAX_REGIONS = 1 << 19
"""Regions of a zip; zipfile takes half a kilobyte and 30 us for each before anybody can look at one."""

_ENTRY = b"PK\1\2"  # of a zip's directory
_ZLIB = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# It logs damaged names and properties, neither of which is read here.
logging.getLogger("roifile").addHandler(logging.NullHandler())


def read_rois(data: bytes, file: Path) -> Iterator[Drawn]:
    """What a .roi file or a zip of them draws.

    ImageJ has no classes. A region's name is its class, without a number at its end ("glomerulus-3"); a name that
    ImageJ made itself (0075-1108) is none, and then a group number other than 0 is the class, as "group 3".

    Raises:
        SourceError: A damaged zip, one without regions, or one that unpacks to more than `MAX_BYTES`.
    """
    members = [(file.name, data)] if data.startswith(ROI_MAGIC) else _unpack(data, file)
    for name, member in members:
        yield _drawn(name, member)


def _unpack(data: bytes, file: Path) -> list[tuple[str, bytes]]:
    if (count := data.count(_ENTRY)) > MAX_REGIONS:
        raise SourceError(f"{file} holds {count} files, {MAX_REGIONS} are allowed", hint="save fewer regions")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            inside = [info for info in packed.infolist() if info.filename.lower().endswith(".roi")]
            _check_members(inside, file)
            return [(info.filename, _member(packed, info)) for info in inside]
    except _ZIP_ERRORS as error:
        raise SourceError(f"{file} is no whole zip: {error}", hint="was it copied whole? Save it again") from error


def _check_members(inside: list[zipfile.ZipInfo], file: Path) -> None:
    if not inside:
        raise SourceError(f"{file} holds no .roi file", hint="save the regions in ImageJ's ROI Manager: More, Save")
    if (size := sum(info.file_size for info in inside)) > MAX_BYTES:
        raise SourceError(f"{file} unpacks to {size} bytes, {MAX_BYTES} are allowed", hint="save fewer regions")
    if odd := [info.filename for info in inside if info.compress_type not in _ZLIB]:
        hint = "save it again from ImageJ's ROI Manager"
        raise SourceError(f"{file} packs {printable(odd[0])} by another method than ImageJ's", hint=hint)


def _member(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # By its stated size: `packed.read` unpacks all there is before it compares, 700 MB of 680 KB that say 100 bytes.
    with packed.open(info) as opened:
        return opened.read(info.file_size)


def _drawn(member: str, data: bytes) -> Drawn:
    where = f"region {PurePosixPath(member).stem}"
    try:
        roi = ImagejRoi.frombytes(data)
        name = _class(roi, PurePosixPath(member).stem)
        return Drawn(where=where, name=name, polygons=_polygons(roi), rule="even-odd" if roi.composite else "union")
    except ContentError as error:
        return Drawn(where=where, name=None, reason=error.message)
    except _ROI_ERRORS as error:
        return Drawn(where=where, name=None, reason=f"cannot be read: {error}")


def _class(roi: ImagejRoi, stem: str) -> str | None:
    name = roi.name.strip("\0 ") or stem
    if not _AUTOMATIC.fullmatch(name):
        return _NUMBER.sub("", name)
    return f"group {roi.group}" if roi.group else None


def _polygons(roi: ImagejRoi) -> list[list[Any]]:
    if roi.composite:
        return [[ring] for ring in roi.coordinates(multi=True)]
    if roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        # roifile's own oval has 32 sides, half a pixel off at 200 px.
        return [[(ellipse if roi.roitype == ROI_TYPE.OVAL else rectangle)(*_bounds(roi))]]
    if roi.roitype in _OUTLINES:
        return [[roi.coordinates()]]
    raise ContentError(f"is a {roi.roitype.name.lower()}, which has no area")


def _bounds(roi: ImagejRoi) -> tuple[float, float, float, float]:
    if roi.subpixelrect:
        return roi.xd, roi.yd, roi.xd + roi.widthd, roi.yd + roi.heightd
    return roi.left, roi.top, roi.right, roi.bottom
