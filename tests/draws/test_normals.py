"""Normals are Box's and Muller's, whatever tables stand in for the cosine."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from augengine.draws.noise import three_normals, turn
from augengine.draws.philox import uniform

ENDS = [0, 255, 256, (1 << 20) - 1, 1 << 20, 1 << 31, (1 << 32) - 1]


def words(seed: int, count: int = 100_000) -> NDArray[np.uint32]:
    drawn = np.random.default_rng(seed).integers(0, 1 << 32, count, dtype=np.uint32)
    return np.concatenate([drawn, np.array(ENDS, dtype=np.uint32)])


def test_a_turn_is_the_complex_exponential() -> None:
    angle = 2 * np.pi * uniform(words(0))
    assert np.abs(turn(words(0)) - (np.cos(angle) + 1j * np.sin(angle))).max() < 2e-15


@pytest.mark.parametrize("quarter", [1, 2, 3, 4])
def test_whole_quarters_are_exact_to_the_last_digit(quarter: int) -> None:
    at = np.array([((quarter << 22) - 1) << 8], dtype=np.uint32)
    assert turn(at)[0] == pytest.approx(1j**quarter, abs=3e-16)


def test_normals_are_radius_times_turn() -> None:
    u0, u1, u2, u3 = (uniform(words(seed)) for seed in range(4))
    expected = (
        np.sqrt(-2 * np.log(u0)) * np.cos(2 * np.pi * u1),
        np.sqrt(-2 * np.log(u0)) * np.sin(2 * np.pi * u1),
        np.sqrt(-2 * np.log(u2)) * np.cos(2 * np.pi * u3),
    )
    found = three_normals((words(0), words(1), words(2), words(3)))
    for mine, by_definition in zip(found, expected, strict=True):
        assert np.abs(mine - by_definition).max() < 1e-14


def test_no_word_gives_an_infinite_normal() -> None:
    lowest = np.zeros(1, dtype=np.uint32)
    assert all(np.isfinite(each).all() for each in three_normals((lowest, lowest, lowest, lowest)))
