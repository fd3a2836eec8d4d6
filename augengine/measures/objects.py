"""What becomes of marker objects: how many stay where they are, go, or come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.errors import SpecError
from augengine.pictures.markers import MarkerMask

MIN_OBJECT_PX = 12
"""Smallest object, in pixels; below it lie specks that any rounding makes."""

MAX_OBJECT_PX = 1500
"""Largest object, in pixels. A macrophage at 0.5 um/px has about 300; what is larger is a clump or a background."""

STAYS = 0.5
"""Share of an object's pixels that must be marker in the other picture for it to be there too."""

WELL_MOVED = 0.4
"""Share of the small objects that noise must move for an eps to be worth taking: variants of one tile then differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerObjects:
    """Objects of one set of masks compared with another.

    Attributes:
        kept: Objects of the first that are in the second too.
        lost: Objects of the first that are not.
        new: Objects of the second that are not in the first.
    """

    kept: int
    lost: int
    new: int

    def __post_init__(self) -> None:
        if min(self.kept, self.lost, self.new) < 0:
            raise SpecError(f"objects are counted from 0, got {self.kept}, {self.lost} and {self.new}")

    @property
    def before(self) -> int:
        """Objects of the first."""
        return self.kept + self.lost

    @property
    def moved(self) -> float | None:
        """The share of the first's objects that went; None where it had none."""
        return self.lost / self.before if self.before else None

    def __add__(self, other: MarkerObjects) -> MarkerObjects:
        return MarkerObjects(kept=self.kept + other.kept, lost=self.lost + other.lost, new=self.new + other.new)


def compare_objects(first: Sequence[MarkerMask], second: Sequence[MarkerMask]) -> MarkerObjects:
    """Count the small marker objects of two lists of masks that stay, go and come.

    Args:
        first, second: bool (H, W) each, one to one, of the same places.
    """
    found = MarkerObjects(kept=0, lost=0, new=0)
    for before, after in zip(first, second, strict=True):
        there, here = _shares(before, after), _shares(after, before)
        kept = int((there >= STAYS).sum())
        found += MarkerObjects(kept=kept, lost=len(there) - kept, new=int((here < STAYS).sum()))
    return found


def eps_that_moves(grid: Sequence[tuple[float, MarkerObjects]]) -> float | None:
    """The least sigma whose noise moves `WELL_MOVED` of the small markers; None where no sigma of the grid does."""
    return next((sigma for sigma, objects in sorted(grid, key=_sigma) if (objects.moved or 0) >= WELL_MOVED), None)


def _sigma(each: tuple[float, MarkerObjects]) -> float:
    return each[0]


def gone(mask: MarkerMask, other: MarkerMask) -> MarkerMask:
    """The pixels of those objects of a mask, small or large, of which the other mask has less than `STAYS`.

    Args:
        mask, other: bool (H, W) of the same places.
    """
    objects, shares, sizes = _overlaps(mask, other)
    chosen = (shares < STAYS) & (sizes >= MIN_OBJECT_PX)
    chosen[0] = False
    return chosen[objects]


def _shares(mask: MarkerMask, other: MarkerMask) -> NDArray[np.float64]:
    """For each small object of a mask, the share of its pixels that the other has too."""
    _, shares, sizes = _overlaps(mask, other)
    small = (sizes >= MIN_OBJECT_PX) & (sizes <= MAX_OBJECT_PX)
    small[0] = False
    return shares[small]


def _overlaps(mask: MarkerMask, other: MarkerMask) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """The objects by number, 0 where there is none, and for each number its share that the other has, and its size."""
    from skimage.measure import label  # 0.3 s, and few commands look at markers

    objects: NDArray[np.int64] = label(mask)  # type: ignore[no-untyped-call]
    sizes = np.bincount(objects.ravel())
    common = np.bincount(objects.ravel(), weights=other.ravel().astype(np.float64), minlength=len(sizes))
    return objects, common / np.maximum(sizes, 1), sizes
