"""Labels from outlines: areas in level-0 pixels, as masks of class ids and as boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from augengine.annotations.base import Box, Ring, check_tile, class_key, count_by_class, nearest
from augengine.annotations.geometry import edges_of, rings_of
from augengine.annotations.raster import Edges, Floats, centres, inside
from augengine.pictures.arrays import Mask


@dataclass(frozen=True, slots=True)
class Outline:
    """One object.

    Attributes:
        classes: Its class, then those that contain it from the nearest, as `lineage` gives them.
        area: Valid, in level-0 pixels.
    """

    classes: tuple[str, ...]
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
        skipped: The areas of those of them that have one.
    """

    def __init__(
        self, outlines: Sequence[Outline], problems: Sequence[str], skipped: Sequence[BaseGeometry] = ()
    ) -> None:
        self._outlines, self._skipped = tuple(outlines), tuple(skipped)
        self.problems = tuple(problems)
        areas: dict[tuple[str, ...], list[BaseGeometry]] = defaultdict(list)
        for outline in outlines:
            areas[outline.classes].append(outline.area)
        self._layers = {classes: _Layer(found) for classes, found in areas.items()}
        self._lineages: dict[str, list[tuple[str, ...]]] = defaultdict(list)  # class -> those it is a part of
        for classes in self._layers:
            for name in classes:
                self._lineages[name].append(classes)
        self.classes = frozenset(self._lineages)

    def mask(
        self, x: float, y: float, *, downsample: float, height: int, width: int, classes: Mapping[str, int]
    ) -> Mask:
        """Implement `Labels.mask`."""
        check_tile(x, y, downsample, height, width, classes)
        xs, ys = centres(x, downsample, width), centres(y, downsample, height)
        mask = np.zeros((height, width), np.uint8)
        asked = {class_key(name) for name in classes}
        for name, value in classes.items():
            for layer in self._drawn_as(class_key(name), asked):
                if (found := layer.inside(xs, ys)) is not None:
                    mask[found] = value
        return mask

    def _drawn_as(self, name: str, asked: set[str]) -> Iterator[_Layer]:
        """The layers for which ``name`` is the nearest of the classes that are asked for."""
        for classes in self._lineages.get(name, ()):
            if nearest(classes, asked) == name:
                yield self._layers[classes]

    def objects(self, name: str) -> tuple[Box, ...]:
        """Implement `Labels.objects`."""
        return tuple(outline.box() for outline in self._of(name))

    def _of(self, name: str) -> Iterator[Outline]:
        key = class_key(name)
        return (outline for outline in self._outlines if key in outline.classes)

    def counts(self, asked: Iterable[str]) -> dict[str, int]:
        """Implement `Labels.counts`."""
        return count_by_class((outline.classes for outline in self._outlines), asked)

    def outlines(self, name: str) -> tuple[Ring, ...]:
        """Implement `Labels.outlines`."""
        return rings_of([outline.area for outline in self._of(name)])

    @property
    def skipped(self) -> tuple[Ring, ...]:
        """Implement `Labels.skipped`."""
        return rings_of(self._skipped)
