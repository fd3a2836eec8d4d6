"""Objects that a file draws as small pictures, such as LabelMe's masks: their pixels become outlines."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from augengine.annotations.geometry import FARTHEST, rings_of_boxes
from augengine.annotations.raster import Floats
from augengine.errors import ContentError, SourceError
from augengine.pictures.arrays import Mask
from augengine.pictures.headers import read_size
from augengine.pictures.masks import read_mask

MAX_RUNS = 100_000
"""Horizontal runs of pixels of one object: uniting them takes 2 s where the object is smooth, 9 s where it is noise."""

MAX_PIXELS = 1 << 26
"""Pixels of one object's box: 8192 x 8192. A few kilobytes can stand for so many."""

MAX_RUNS_IN_ALL, MAX_PIXELS_IN_ALL = 500_000, 1 << 30
"""The same over all objects of a file."""

_PNG = b"\x89PNG\r\n\x1a\n"

Points = Sequence[tuple[float, float]]


class MaskShapes:
    """Reads the objects of a file that are drawn as pictures, and counts what they cost."""

    def __init__(self) -> None:
        self._runs = self._pixels = 0

    def polygons(self, packed: Any, corners: Points) -> list[list[Floats]]:
        """The polygons of an object, each an outer ring and its holes; every pixel other than 0 belongs to it.

        Args:
            packed: A PNG in base64, as json holds it.
            corners: The first and the last pixel that it covers, x and y.

        Raises:
            ContentError: It is no picture of the size of its box, holds nothing, or is too ragged.
            SourceError: Those of the file together are too large.
        """
        data = _decoded(packed)
        left, top = _corner(corners, *_size(data))
        first, row, last = _runs(self._pixels_of(data))
        self._runs += len(row)
        _check_sum("runs of pixels", self._runs, MAX_RUNS_IN_ALL)
        return rings_of_boxes(left + first, top + row, left + last, top + row + 1)

    def _pixels_of(self, data: bytes) -> Mask:
        width, height = _size(data)
        self._pixels += width * height
        _check_sum("pixels", self._pixels, MAX_PIXELS_IN_ALL)
        try:
            return read_mask(data, max_side=max(width, height))
        except ContentError as error:
            raise ContentError(f"it has a mask that cannot be used: {error.message}") from error


def _check_sum(what: str, count: int, allowed: int) -> None:
    if count > allowed:
        hint = "save them as polygons, or as one mask image"
        raise SourceError(f"the masks of the objects have more than {allowed} {what} together", hint=hint)


def _decoded(packed: Any) -> bytes:
    try:
        data = base64.b64decode(packed, validate=True)
    except (TypeError, ValueError) as error:
        raise ContentError(f"it has no mask that can be read: {error}") from error
    if not data.startswith(_PNG):
        raise ContentError("it has a mask that is no PNG")
    return data


def _size(data: bytes) -> tuple[int, int]:
    """Width and height, by the header alone."""
    size = read_size(io.BytesIO(data))
    if size is None:
        raise ContentError("it has a mask that cannot be read")
    height, width = size
    if width * height > MAX_PIXELS:
        raise ContentError(f"it has a mask of {width} x {height} px, {MAX_PIXELS} are allowed")
    return width, height


def _corner(corners: Points, width: int, height: int) -> tuple[int, int]:
    """The upper left pixel of a box whose size is the picture's."""
    if len(corners) != 2 or not np.abs(corners).max() <= FARTHEST:  # NaN is not
        raise ContentError("it has a mask without a box of two corners")
    (left, top), (right, bottom) = np.sort(np.rint(corners).astype(int), axis=0).tolist()
    # Some programs write the first pixel that is not covered any more instead of the last one that is.
    if abs(right - left + 1 - width) > 1 or abs(bottom - top + 1 - height) > 1:
        box = f"{right - left + 1} x {bottom - top + 1}"
        raise ContentError(f"it has a mask of {width} x {height} px in a box of {box} px")
    return left, top


def _runs(mask: Mask) -> tuple[Floats, Floats, Floats]:
    """The runs of marked pixels of each row: first column, row, the column after the last."""
    edges = np.diff(np.pad(mask > 0, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, first = np.nonzero(edges == 1)
    _, last = np.nonzero(edges == -1)
    if not len(row):
        raise ContentError("it has a mask in which nothing is marked")
    if len(row) > MAX_RUNS:
        raise ContentError(f"it has a mask of {len(row)} runs of pixels, {MAX_RUNS} are allowed")
    return first.astype(np.float64), row.astype(np.float64), last.astype(np.float64)
