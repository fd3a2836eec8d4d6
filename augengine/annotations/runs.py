"""The objects of a mask: connected pixels of one class, found strip by strip with one row in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from augengine.errors import ContentError
from augengine.pictures.arrays import Mask

MAX_OBJECTS = 1_000_000
"""Objects of a mask, and parts that later prove to be one; a picture taken for a mask has more."""

_Run = tuple[int, int, int]  # first column, the column after its last, the part it belongs to


@dataclass(slots=True)
class Part:
    """Connected pixels of one class so far, in the mask's pixels; ``right`` and ``bottom`` are exclusive."""

    value: int
    left: int
    top: int
    right: int
    bottom: int


def parts(strips: Iterable[Mask]) -> list[Part]:
    """The objects of a mask, by their first pixels from the top, then from the left; corners connect.

    Args:
        strips: The mask from top to bottom, uint8 (any height, width); 0 is no object.

    Raises:
        ContentError: More than `MAX_OBJECTS` objects.
    """
    joined = _Joined()
    above: list[_Run] = []
    row = 0
    for strip in strips:
        for runs in _runs_by_row(strip):
            above = joined.add_row(row, runs, above)
            row += 1
    return joined.wholes()


def _runs_by_row(strip: Mask) -> Iterator[list[tuple[int, int, int]]]:
    """The runs of each row: first column, the column after its last, value."""
    edges = np.ones((strip.shape[0], strip.shape[1] + 1), bool)
    edges[:, 1:-1] = strip[:, 1:] != strip[:, :-1]
    rows, columns = np.nonzero(edges)
    begins = columns < strip.shape[1]
    begins[:-1] &= rows[1:] == rows[:-1]
    first = np.flatnonzero(begins)
    values = strip[rows[first], columns[first]]
    kept = first[values > 0]
    found = zip(columns[kept].tolist(), columns[kept + 1].tolist(), values[values > 0].tolist(), strict=True)
    for count in np.bincount(rows[kept], minlength=strip.shape[0]).tolist():
        yield [next(found) for _ in range(count)]


class _Joined:
    """Parts, and which of them turned out to be one."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._parent: list[int] = []

    def add_row(self, row: int, runs: list[tuple[int, int, int]], above: list[_Run]) -> list[_Run]:
        """Join the runs of a row to those above it; returns them with their parts."""
        joined, k = [], 0
        for left, right, value in runs:
            while k < len(above) and above[k][1] < left:
                k += 1
            part = self._touched(above, k, right, value)
            part = self._new(value, left, row, right) if part is None else self._grow(part, left, row, right)
            joined.append((left, right, part))
        return joined

    def _touched(self, above: list[_Run], k: int, right: int, value: int) -> int | None:
        """The part of the runs above, from the k-th, that a run of a value touches; they become one."""
        part = None
        while k < len(above) and above[k][0] <= right:
            other = self._root(above[k][2])
            if self._parts[other].value == value:
                part = other if part is None else self._join(part, other)
            k += 1
        return part

    def _new(self, value: int, left: int, row: int, right: int) -> int:
        if len(self._parts) == MAX_OBJECTS:
            raise ContentError(
                f"the mask has more than {MAX_OBJECTS} objects", hint="is it a picture rather than a mask?"
            )
        self._parts.append(Part(value, left, row, right, row + 1))
        self._parent.append(len(self._parent))
        return len(self._parts) - 1

    def _grow(self, index: int, left: int, row: int, right: int) -> int:
        part = self._parts[index]
        part.left, part.right, part.bottom = min(part.left, left), max(part.right, right), row + 1
        return index

    def _root(self, part: int) -> int:
        while self._parent[part] != part:
            self._parent[part] = part = self._parent[self._parent[part]]
        return part

    def _join(self, one: int, other: int) -> int:
        """Make two roots one part; returns it."""
        if one == other:
            return one
        first, second = self._parts[min(one, other)], self._parts[max(one, other)]
        self._parent[max(one, other)] = min(one, other)
        first.left, first.right = min(first.left, second.left), max(first.right, second.right)
        first.top, first.bottom = min(first.top, second.top), max(first.bottom, second.bottom)
        return min(one, other)

    def wholes(self) -> list[Part]:
        return [part for i, part in enumerate(self._parts) if self._parent[i] == i]
