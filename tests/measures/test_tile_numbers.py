"""Which tiles a pair is judged on."""

from __future__ import annotations

import numpy as np
import pytest

from augengine.measures.tile_numbers import most_marked, sample_by_size, sampled_by_marker
from tests.support.known_pairs import RULE
from tests.support.pictures import spotted


@pytest.mark.parametrize(
    ("sizes", "count", "taken"),
    [
        ([5, 5, 5, 5], 2, [1, 3]),
        ([5, 5, 5, 5], 4, [0, 1, 2, 3]),
        ([5, 5, 5, 5], 9, [0, 1, 2, 3]),
        ([4, 3, 2, 1], 1, [1]),
        ([1, 2, 3, 4], 1, [2]),
        ([100, 1, 1, 1], 2, [0, 2]),
        ([0, 9, 0, 0, 9], 2, [1, 4]),
        ([0, 9, 0, 0, 9], 3, [0, 1, 4]),
        ([0, 0, 0], 2, [0, 1]),
        ([], 2, []),
        ([3, 1], 0, []),
    ],
)
def test_sizes_decide_what_is_taken(sizes: list[int], count: int, taken: list[int]) -> None:
    assert sample_by_size(sizes, count) == taken


def test_each_is_taken_once_and_what_is_twice_as_large_twice_as_often() -> None:
    random = np.random.default_rng(0)
    taken = np.zeros(2)
    for _ in range(300):
        large = random.random(40) < 0.5
        sizes = [2 if each else 1 for each in large]
        found = sample_by_size(sizes, 8)
        assert len(set(found)) == len(found) == 8
        taken += [np.mean(large[found] / large.sum()), np.mean(~large[found] / (~large).sum())]
    assert taken[0] / taken[1] == pytest.approx(2, rel=0.1)


def test_specks_do_not_hide_the_few_tiles_with_markers() -> None:
    sizes = [17] * 60
    sizes[35], sizes[47], sizes[59] = 602, 655, 651
    assert {35, 47, 59} <= set(sample_by_size(sizes, 8))


def test_markers_are_the_size_of_a_tile() -> None:
    spots = [spotted(128, each) for each in (1, 9, 0, 4)]
    assert most_marked(spots, RULE, 2) == [1, 3]
    assert sampled_by_marker(spots, RULE, 2) == [1, 3]
    assert sampled_by_marker(spots[:1] * 9, RULE, 3) == [1, 4, 7]
