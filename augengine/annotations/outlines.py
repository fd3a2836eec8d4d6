"""Labels from outlines: what a file draws becomes areas in level-0 pixels, then masks and boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from augengine.annotations.base import Box, Drawn, check_tile, class_key
from augengine.annotations.crossings import Crossings
from augengine.annotations.geometry import area, edges_of
from augengine.annotations.raster import Edges, Floats, centres, inside
from augengine.errors import ContentError, SourceError
from augengine.pictures.arrays import Mask
from augengine.sample import printable

MAX_VERTICES = 1 << 25
"""Vertices of all objects of a slide, half a gigabyte. Circles need the limit: a short line stands for thousands."""

_MAX_PROBLEM_CHARACTERS = 200  # characters that a problem takes over from a file


@dataclass(frozen=True, slots=True)
class Outline:
    """One object: its class, as `class_key` gives it, and its valid area in level-0 pixels."""

    name: str
    area: BaseGeometry

    def box(self) -> Box:
        """Its bounds."""
        left, top, right, bottom = self.area.bounds
        return Box(left=left, top=top, right=right, bottom=bottom)


class _Layer:
    """The areas of one class: found by place, drawn in one pass."""

    def __init__(self, areas: Sequence[BaseGeometry]) -> None:
        parts = shapely.get_parts(np.array(areas, dtype=object))
        self._tree = shapely.STRtree(parts)
        self._edges, self._begins = edges_of(parts)

    def inside(self, xs: Floats, ys: Floats) -> NDArray[np.bool_] | None:
        found = self._tree.query(shapely.box(xs[0], ys[0], xs[-1], ys[-1]))
        return inside(self._edges_of(found), xs, ys) if len(found) else None

    def _edges_of(self, parts: NDArray[np.intp]) -> Edges:
        first, counts = self._begins[parts], self._begins[parts + 1] - self._begins[parts]
        ends = np.cumsum(counts)
        return self._edges.take(np.arange(ends[-1]) + np.repeat(first - ends + counts, counts))


class OutlineLabels:
    """Labels of a slide from the outlines of its objects.

    Args:
        outlines: In file order.
        problems: What was skipped, a sentence each.
    """

    def __init__(self, outlines: Sequence[Outline], problems: Sequence[str]) -> None:
        self._outlines = tuple(outlines)
        self.problems = tuple(problems)
        self.classes = frozenset(outline.name for outline in outlines)
        self._layers = {
            name: _Layer([outline.area for outline in outlines if outline.name == name]) for name in self.classes
        }

    def mask(
        self, x: float, y: float, *, downsample: float, height: int, width: int, classes: Mapping[str, int]
    ) -> Mask:
        """Implement `Labels.mask`."""
        check_tile(x, y, downsample, height, width, classes)
        xs, ys = centres(x, downsample, width), centres(y, downsample, height)
        mask = np.zeros((height, width), np.uint8)
        for name, value in classes.items():
            layer = self._layers.get(class_key(name))
            if layer is not None and (found := layer.inside(xs, ys)) is not None:
                mask[found] = value
        return mask

    def objects(self, name: str) -> tuple[Box, ...]:
        """Implement `Labels.objects`."""
        return tuple(outline.box() for outline in self._outlines if outline.name == class_key(name))


def outline_labels(
    drawn: Iterable[Drawn], *, slide_width: int, slide_height: int, default_class: str | None
) -> OutlineLabels:
    """Labels from what a file draws; an object that cannot be used becomes a problem.

    Args:
        drawn: In file order.
        slide_width, slide_height: In level-0 pixels; objects wholly outside are problems.
        default_class: The class of objects without one; None makes them problems.

    Raises:
        SourceError: They have more than `MAX_VERTICES` together, or cross themselves too often.
    """
    outlines: list[Outline] = []
    problems: list[str] = []
    vertices, crossings = 0, Crossings()
    for each in drawn:
        try:
            outlines.append(_outline(each, slide_width, slide_height, default_class, crossings))
            vertices += int(shapely.get_num_coordinates(outlines[-1].area))
        except ContentError as error:
            where, why = (
                printable(each.where[:_MAX_PROBLEM_CHARACTERS]),
                printable(error.message[:_MAX_PROBLEM_CHARACTERS]),
            )
            problems.append(f"{where} was skipped: {why}")
        if vertices > MAX_VERTICES:
            raise SourceError(
                f"the annotations have more than {MAX_VERTICES} vertices", hint="export the objects that you need"
            )
    return OutlineLabels(outlines, problems)


def _outline(
    drawn: Drawn, slide_width: int, slide_height: int, default_class: str | None, crossings: Crossings
) -> Outline:
    found = area(drawn, crossings)
    left, top, right, bottom = found.bounds
    if right <= 0 or bottom <= 0 or left >= slide_width or top >= slide_height:
        place = f"x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f}"
        raise ContentError(f"it lies outside the slide of {slide_width} x {slide_height} px ({place})")
    name = class_key(drawn.name or "") or class_key(default_class or "")
    if not name:
        raise ContentError("it has no class, and no default class was given")
    return Outline(name, found)
