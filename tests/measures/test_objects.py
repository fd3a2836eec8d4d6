"""Marker objects that stay, go and come."""

from __future__ import annotations

import numpy as np
import pytest

from augengine.errors import SpecError
from augengine.measures.objects import MAX_OBJECT_PX, MarkerObjects, compare_objects, eps_that_moves
from augengine.pictures.markers import MarkerMask


def squares(*corners: tuple[int, int], side: int = 6, size: int = 100) -> MarkerMask:
    mask = np.zeros((size, size), bool)
    for y, x in corners:
        mask[y : y + side, x : x + side] = True
    return mask


def test_objects_are_kept_lost_and_new() -> None:
    first = squares((10, 10), (30, 30), (50, 50))
    second = squares((10, 11), (30, 40), (80, 80))
    found = compare_objects([first], [second])
    assert found == MarkerObjects(kept=1, lost=2, new=2)
    assert found.moved == pytest.approx(2 / 3)


def test_a_mask_compared_with_itself_keeps_everything_and_with_nothing_loses_it() -> None:
    mask, nothing = squares((0, 0), (20, 90), (94, 94)), squares()
    assert compare_objects([mask], [mask]) == MarkerObjects(kept=3, lost=0, new=0)
    assert compare_objects([mask], [nothing]) == MarkerObjects(kept=0, lost=3, new=0)
    assert compare_objects([nothing], [mask]) == MarkerObjects(kept=0, lost=0, new=3)
    assert compare_objects([nothing], [nothing]).moved is None


def test_counts_add_up_over_tiles() -> None:
    tiles = [squares((10, 10)), squares((30, 30)), squares()]
    others = [squares((10, 10)), squares(), squares((5, 5))]
    assert compare_objects(tiles, others) == MarkerObjects(kept=1, lost=1, new=1)


def test_specks_and_clumps_are_no_objects() -> None:
    speck, clump = squares((10, 10), side=3), squares((10, 10), side=40)
    assert clump.sum() > MAX_OBJECT_PX
    assert compare_objects([speck | clump], [squares()]) == MarkerObjects(kept=0, lost=0, new=0)


def test_an_object_that_grows_is_kept() -> None:
    assert compare_objects([squares((10, 10))], [squares((8, 8), side=10)]).kept == 1


def test_counts_below_zero_are_refused() -> None:
    with pytest.raises(SpecError):
        MarkerObjects(kept=-1, lost=0, new=0)


def test_the_least_sigma_that_moves_two_in_five_markers_is_taken() -> None:
    def moved(lost: int) -> MarkerObjects:
        return MarkerObjects(kept=10 - lost, lost=lost, new=0)

    assert eps_that_moves([(0.2, moved(9)), (0.05, moved(3)), (0.1, moved(4))]) == 0.1
    assert eps_that_moves([(0.05, moved(3)), (0.1, MarkerObjects(kept=0, lost=0, new=5))]) is None
    assert eps_that_moves([]) is None
