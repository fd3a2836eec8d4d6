"""Labels from outlines: areas in level-0 pixels, as masks of class ids and as boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from augengine.annotations.base import Box, Ring, check_tile, class_key
from augengine.annotations.geometry import edges_of, rings_of
from augengine.annotations.raster import Edges, Floats, centres, inside
from augengine.pictures.arrays import Mask


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
        skipped: The areas of those of them that have one.
    """

    def __init__(
        self, outlines: Sequence[Outline], problems: Sequence[str], skipped: Sequence[BaseGeometry] = ()
    ) -> None:
        self._outlines, self._skipped = tuple(outlines), tuple(skipped)
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

    def outlines(self, name: str) -> tuple[Ring, ...]:
        """Implement `Labels.outlines`."""
        return rings_of([outline.area for outline in self._outlines if outline.name == class_key(name)])

    @property
    def skipped(self) -> tuple[Ring, ...]:
        """Implement `Labels.skipped`."""
        return rings_of(self._skipped)
