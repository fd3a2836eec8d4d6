"""Which tiles a pair is judged on."""

from __future__ import annotations

import pytest

from augengine.measures.tile_numbers import evenly_marked, most_marked, spread_by_size
from tests.support.known_pairs import RULE
from tests.support.pictures import spotted


@pytest.mark.parametrize(
    ("sizes", "count", "taken"),
    [
        ([9, 8, 7, 6, 6, 5, 5, 4], 4, [1, 3, 5, 7]),
        ([9, 8, 7, 6, 6, 5, 5, 4], 2, [2, 6]),
        ([4, 5, 5, 6, 6, 7, 8, 9], 2, [2, 5]),
        ([9, 8, 7, 6], 1, [2]),
        ([9, 8, 7, 6], 9, [0, 1, 2, 3]),
        ([8, 8, 8, 3], 2, [0, 2]),
        ([8, 8, 8, 1, 1], 2, [0, 2]),
        ([0, 9, 0, 0, 9], 2, [1, 4]),
        ([0, 9, 0, 0, 9], 3, [0, 1, 4]),
        ([0, 0, 0], 2, [0, 2]),
        ([], 2, []),
        ([3, 1], 0, []),
    ],
)
def test_sizes_are_taken_evenly_from_the_largest_to_half_of_the_mean(
    sizes: list[int], count: int, taken: list[int]
) -> None:
    assert spread_by_size(sizes, count) == taken


def test_specks_do_not_hide_the_few_tiles_with_markers() -> None:
    sizes = [17] * 60
    sizes[35], sizes[47], sizes[59] = 602, 655, 651
    assert {35, 47, 59} <= set(spread_by_size(sizes, 8))


def test_crowded_tiles_do_not_stand_for_all() -> None:
    sizes = [300] * 20 + [100] * 40
    taken = spread_by_size(sizes, 6)
    assert sum(number >= 20 for number in taken) == 4


def test_markers_are_the_size_of_a_tile() -> None:
    spots = [spotted(128, each) for each in (1, 9, 0, 4)]
    assert most_marked(spots, RULE, 2) == [1, 3]
    assert evenly_marked(spots, RULE, 2) == [1, 3]
    assert evenly_marked(spots[:1] * 9, RULE, 3) == [1, 4, 7]
