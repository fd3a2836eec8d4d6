"""The two grids of a field: a coarse one of 1 um on which geometry is found, and the pixels of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from augengine_train.phantom.draws import Map, Points, interpolate

_Value = TypeVar("_Value", bound=np.generic)

MARGIN_UM = 48
"""Tissue beyond the picture on every side: what is cut by the picture's edge was whole before."""


@dataclass(frozen=True)
class Frame:
    """A square field and its two grids.

    Attributes:
        side: Side of the picture in pixels.
        mpp: um/px of the picture.
    """

    side: int
    mpp: float

    @property
    def side_um(self) -> float:
        """Side of the picture, in um."""
        return self.side * self.mpp

    @cached_property
    def shape_um(self) -> tuple[int, int]:
        """Rows and columns of the coarse grid, one a um, margins included."""
        count = int(np.ceil(self.side_um)) + 2 * MARGIN_UM
        return count, count

    def places_um(self) -> tuple[Map, Map]:
        """y (rows, 1) and x (1, columns) of the coarse grid's centres, in um from the picture's corner."""
        along = (np.arange(self.shape_um[0]) + 0.5 - MARGIN_UM).astype(np.float32)
        return along[:, None], along[None, :]

    def pixels_um(self) -> Map:
        """The pixels' centres along one side, in um."""
        return ((np.arange(self.side) + 0.5) * self.mpp).astype(np.float32)

    def refine(self, coarse: Map) -> Map:
        """A map of the coarse grid at the pixels, bilinear."""
        at = self._coarse_places()
        return interpolate(coarse, at, at)

    def refine_labels(self, coarse: NDArray[_Value]) -> NDArray[_Value]:
        """Labels of the coarse grid at the pixels, nearest."""
        at = np.rint(self._coarse_places()).astype(np.intp)
        return coarse[np.ix_(at, at)]

    def look_up(self, coarse: NDArray[_Value], points: Points) -> NDArray[_Value]:
        """The value of the coarse grid's pixel that holds each point."""
        at = np.clip(np.floor(points).astype(np.intp) + MARGIN_UM, 0, self.shape_um[0] - 1)
        return coarse[at[:, 0], at[:, 1]]

    def _coarse_places(self) -> NDArray[np.float64]:
        places: NDArray[np.float64] = (np.arange(self.side, dtype=np.float64) + 0.5) * self.mpp + MARGIN_UM - 0.5
        return places

    def reach(self, values_um: Map) -> Map:
        """Coverage in [0, 1] of where ``values_um`` is positive, with edges one pixel wide."""
        width = max(self.mpp, 0.4)
        cover: Map = np.clip(values_um * np.float32(1 / width) + np.float32(0.5), 0, 1)
        return cover
