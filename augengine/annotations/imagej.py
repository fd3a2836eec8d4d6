"""ImageJ's regions of interest: level-0 pixels, y downwards. Owner of roifile."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from roifile import ROI_TYPE, ImagejRoi

from augengine.annotations.base import Drawn
from augengine.annotations.geometry import ellipse, rectangle
from augengine.errors import ContentError

ROI_MAGIC = b"Iout"

_OUTLINES = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
_AUTOMATIC = re.compile(r"[\d\-_ ]*")  # 0075-1108: what ImageJ calls a region that nobody named
_NUMBER = re.compile(r"[\s_\-#]+\d+$")
_ROI_ERRORS = (ValueError, IndexError, TypeError, RuntimeError, OverflowError, LookupError, struct.error)

# It logs damaged names and properties, neither of which is read here.
logging.getLogger("roifile").addHandler(logging.NullHandler())


def read_rois(regions: Iterable[tuple[str, bytes]]) -> Iterator[Drawn]:
    """What .roi files draw, each with its name.

    ImageJ has no classes. A region's name is its class, without a number at its end ("glomerulus-3"); a name that
    ImageJ made itself (0075-1108) is none, and then a group number other than 0 is the class, as "group 3".
    """
    for name, data in regions:
        yield _drawn(name, data)


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
