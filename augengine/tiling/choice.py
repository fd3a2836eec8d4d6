"""Which tiles of a slide are cut, by what is asked for and what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from augengine.annotations import Box, Labels
from augengine.tiling.places import (
    Fits,
    Frame,
    Place,
    Rectangle,
    Tissue,
    as_places,
    centred,
    clear_of,
    drawn,
    edge_tiles,
    grid,
)
from augengine.tiling.spec import BACKGROUND, NEGATIVE, TISSUE, TileSpec


class Choice:
    """Chooses a slide's tiles by a spec, and remembers what it could not do.

    Args:
        spec: Which tiles are wanted.
        frame: The slide and the tiles' size in it.
        tissue: Where its tissue is.
        filled: Where it was filled up with black, which is no glass either.
        labels: What is annotated on it, if anything is asked for.
        key: The slide's key, from which random places follow.

    Attributes:
        problems: What could not be done, a sentence each; filled by `places`.
    """

    def __init__(
        self, spec: TileSpec, frame: Frame, tissue: Tissue, filled: Tissue, labels: Labels | None, key: str
    ) -> None:
        self._spec, self._frame, self._tissue, self._filled, self._key = spec, frame, tissue, filled, key
        self._labels = labels
        self._objects = self._rectangles()
        self._clear = clear_of(self._objects, frame.side)
        self.problems: list[str] = []

    def places(self) -> list[Place]:
        """The places of all tiles, in the order in which they are written; no two with the same corner."""
        chosen: dict[tuple[int, int], Place] = {}
        for place in self._all():
            chosen.setdefault((place.x, place.y), place)
        return list(chosen.values())

    def _all(self) -> Iterator[Place]:
        if self._spec.random:
            yield from self._draw(self._spec.random, TISSUE, self._has_tissue)
        elif self._spec.centred_on:
            yield from self._around_objects(self._spec.centred_on)
        else:
            yield from self._grid()
        yield from self._draw(self._spec.background, BACKGROUND, self._is_glass)

    def _grid(self) -> Iterator[Place]:
        overlap = self._spec.overlap * self._frame.side / self._spec.size
        corners = grid(self._frame, overlap=overlap)
        x, y = np.array(corners, dtype=np.int64).T
        # A tile with an annotated object is kept however little tissue is around it.
        wanted = self._has_tissue(x, y) | ~self._clear(x, y)
        edge = edge_tiles(self._frame, self._objects, overlap=overlap)
        if not wanted.any() and not edge:
            self.problems.append(f"no tile of the grid is tissue by {self._spec.min_tissue:.0%} or more")
        yield from as_places([*(corners[i] for i in np.flatnonzero(wanted)), *edge], TISSUE)

    def _around_objects(self, name: str) -> Iterator[Place]:
        objects = self._labels.objects(name) if self._labels is not None else ()
        if not objects:
            known = ", ".join(sorted(self._labels.classes)) if self._labels is not None else ""
            self.problems.append(f"no object of the class {name} is annotated, only {known or 'nothing'}")
        corners = list(dict.fromkeys(centred(self._frame, (box.x, box.y)) for box in objects))
        if (same := len(objects) - len(corners)) > 0:
            self.problems.append(f"{same} objects of the class {name} lie where another one does: one tile serves both")
        yield from as_places(corners, name)
        free = clear_of([_rectangle(box) for box in objects], self._frame.side)
        yield from self._draw(
            self._spec.negatives * len(objects), NEGATIVE, lambda x, y: self._has_tissue(x, y) & free(x, y)
        )

    def _draw(self, count: int, kind: str, fits: Fits) -> Sequence[Place]:
        if not count:
            return ()
        corners = drawn(self._frame, count, fits, seed=self._spec.seed, key=f"{kind}\0{self._key}")
        if len(corners) < count:
            self.problems.append(f"only {len(corners)} of {count} {kind} tiles were found")
        return tuple(as_places(corners, kind))

    def _has_tissue(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._tissue.share(x, y, self._frame.side) >= self._spec.min_tissue

    def _is_glass(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        side = self._frame.side
        glass: NDArray[np.bool_] = (self._tissue.share(x, y, side) == 0) & (self._filled.share(x, y, side) == 0)
        return glass & self._clear(x, y)

    def _rectangles(self) -> list[Rectangle]:
        if self._labels is None:
            return []
        return [_rectangle(box) for name, _ in self._spec.classes for box in self._labels.objects(name)]


def _rectangle(box: Box) -> Rectangle:
    return box.left, box.top, box.right, box.bottom
