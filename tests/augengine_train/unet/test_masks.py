"""Masks of a segmenter: pixels and objects are counted in them, and shrinking leaves them in place."""

from __future__ import annotations

import json

import numpy as np
import pytest

from augengine_train.unet import Counts, Measures
from augengine_train.unet.measures import compare
from augengine_train.unet.shrinking import shrink_image, shrink_mask


def box(*squares: tuple[int, int, int], side: int = 20) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """bool (side, side) with squares of (top, left, width)."""
    mask = np.zeros((side, side), dtype=np.bool_)
    for top, left, width in squares:
        mask[top : top + width, left : left + width] = True
    return mask


def test_pixels_and_objects_are_counted() -> None:
    truth = box((0, 0, 4), (10, 10, 4))
    found = box((0, 1, 4), (15, 0, 3))
    measures = compare(found, truth)
    assert measures.pixels == Counts(12, 13, 20)
    # An overlap of 12 in a union of 20 finds the first; the second is missed and something false is found.
    assert measures.objects == Counts(1, 1, 1)
    assert measures.pixels.f1 == pytest.approx(24 / 57)
    assert (measures.pixels.precision, measures.pixels.recall) == (12 / 25, 12 / 32)


def test_an_object_is_matched_once_and_at_an_overlap_of_half() -> None:
    whole, halves = box((0, 0, 8)), box((0, 0, 8))
    halves[:, 4] = False  # 32 and 24 of 64 pixels
    assert compare(halves, whole).objects == Counts(1, 1, 0)
    assert compare(whole, halves).objects == Counts(1, 0, 1)
    assert compare(box((0, 0, 4)), box((0, 3, 4))).objects == Counts(0, 1, 1)


def test_diagonal_neighbours_are_one_object() -> None:
    assert compare(box((0, 0, 2), (2, 2, 2)), box()).objects == Counts(0, 1, 0)


@pytest.mark.parametrize(
    ("counts", "f1", "precision", "recall"),
    [
        (Counts(0, 0, 0), 1, 1, 1),  # nothing to find, nothing found
        (Counts(0, 0, 5), 0, 0, 0),  # nothing found
        (Counts(0, 5, 0), 0, 0, 0),  # nothing to find
        (Counts(5, 0, 0), 1, 1, 1),
    ],
)
def test_measures_without_foreground_have_values(counts: Counts, f1: float, precision: float, recall: float) -> None:
    assert (counts.f1, counts.precision, counts.recall) == (f1, precision, recall)
    assert compare(box(), box()).pixels == Counts()


def test_counts_add_up_over_a_test_set_and_survive_json() -> None:
    one, two = compare(box((0, 0, 4)), box((0, 1, 4))), compare(box(), box((3, 3, 5)))
    total = one + two
    assert total.pixels.f1 == 2 * 12 / (2 * 12 + 4 + 4 + 25)
    assert Measures.from_json(json.loads(json.dumps(total.to_json()))) == total


def test_shrinking_keeps_tile_and_mask_in_place() -> None:
    mask = box((4, 8, 8), side=22)
    picture = np.repeat(mask[..., None] * np.uint8(200), 3, axis=2)
    assert shrink_image(picture, 4).shape == (5, 5, 3)
    assert np.array_equal(shrink_image(picture, 4)[..., 0] > 100, shrink_mask(mask, 4))
    assert np.array_equal(shrink_mask(mask, 4), box((1, 2, 2), side=5))
    assert shrink_image(picture, 1) is picture
