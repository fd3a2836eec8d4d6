"""Sigma and noise are what the method asks for, and depend on (seed, key, variant, pixel) alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from augengine.draws.noise import _BLOCK, GaussianNoise, add_noise, draw_sigma, unit_noise
from augengine.errors import SpecError
from augengine.spec import NoiseSpec

DRAWS = 1000
SIDE = 200  # several blocks, the last one short
PIXELS = SIDE * SIDE

Noise = NDArray[np.float32]


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def noise(key: str = "a", variant: int = 1, seed: int = 0) -> Noise:
    return unit_noise(seed, key, variant, SIDE, SIDE)


def test_over_many_samples_sigma_is_uniform_up_to_eps() -> None:
    sigmas = np.array([draw_sigma(0.05, 3, f"sample_{i}", 1) for i in range(DRAWS)])
    assert sigmas.min() > 0
    assert sigmas.max() <= 0.05
    assert stats.kstest(sigmas, "uniform", args=(0, 0.05)).pvalue > 0.01


def test_over_many_variants_sigma_is_uniform_too() -> None:
    sigmas = [draw_sigma(0.3, 3, "sample", variant) for variant in range(1, DRAWS + 1)]
    assert stats.kstest(sigmas, "uniform", args=(0, 0.3)).pvalue > 0.01
    assert abs(correlation(np.array(sigmas[1:]), np.array(sigmas[:-1]))) < 4 / np.sqrt(DRAWS)


def test_over_many_draws_the_noise_has_the_stated_deviation() -> None:
    sigmas = np.array([draw_sigma(0.05, 3, f"sample_{i}", 1) for i in range(DRAWS)])
    still, noisy = np.zeros((3, 16, 16), dtype=np.float32), np.empty((3, 16, 16), dtype=np.float32)
    ratios, means = [], []
    for i, sigma in enumerate(sigmas):
        add_noise(still, noisy, sigma=sigma, seed=3, key=f"sample_{i}", variant=1)
        ratios.append(np.mean(np.square(noisy, dtype=np.float64)) / sigma**2)
        means.append(noisy.mean(dtype=np.float64) / sigma)
    # Each ratio is chi-squared over its 768 degrees of freedom.
    assert stats.kstest(np.array(ratios) * still.size, "chi2", args=(still.size,)).pvalue > 0.01
    assert stats.kstest(np.array(means) * np.sqrt(still.size), "norm").pvalue > 0.01


def test_each_channel_is_standard_normal() -> None:
    for channel in noise():
        assert stats.kstest(channel.ravel(), "norm").pvalue > 0.01
        assert abs(channel.mean(dtype=np.float64)) < 4 / np.sqrt(PIXELS)
        assert abs(channel.std(dtype=np.float64) - 1) < 4 / np.sqrt(2 * PIXELS)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param(noise()[0], noise()[1], id="red and green"),
        pytest.param(noise()[0], noise()[2], id="red and blue"),
        pytest.param(noise()[1], noise()[2], id="green and blue"),
        pytest.param(noise()[:, :, 1:], noise()[:, :, :-1], id="a pixel and its left neighbour"),
        pytest.param(noise()[:, 1:], noise()[:, :-1], id="a pixel and the one above"),
        pytest.param(noise(), noise().transpose(0, 2, 1), id="an image and its transpose"),
        pytest.param(noise(variant=1), noise(variant=2), id="variants"),
        pytest.param(noise("a"), noise("b"), id="samples"),
        pytest.param(noise(seed=0), noise(seed=1), id="seeds"),
    ],
)
def test_nothing_is_correlated(a: Noise, b: Noise) -> None:
    for x, y in ((a, b), (a**2, b**2)):
        assert abs(correlation(x, y)) < 4 / np.sqrt(a.size)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (SIDE, 3), (3, SIDE), (57, 91)])
def test_a_larger_frame_only_adds_pixels(height: int, width: int) -> None:
    small = unit_noise(0, "a", 1, height, width)
    assert small.shape == (3, height, width)
    assert np.array_equal(small, noise()[:, :height, :width])


def test_a_block_border_leaves_no_trace() -> None:
    assert PIXELS > 2 * _BLOCK
    rows = [unit_noise(0, "a", 1, SIDE, width)[:, :, 0] for width in (1, 2, 7, SIDE)]
    assert all(np.array_equal(row, rows[0]) for row in rows[1:])


def test_the_same_arguments_give_the_same_noise() -> None:
    assert np.array_equal(noise("a", 2, 9), noise("a", 2, 9))


def test_noise_is_added_and_nothing_is_clamped() -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (3, 20, 30)).astype(np.float32)
    out = np.empty_like(image)
    add_noise(image, out, sigma=0.5, seed=1, key="k", variant=4)
    assert np.array_equal(out, image + np.float32(0.5) * unit_noise(1, "k", 4, 20, 30))
    assert np.abs(out).max() > 1


def test_noise_may_be_added_in_place() -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (3, 20, 30)).astype(np.float32)
    apart, in_place = np.empty_like(image), image.copy()
    add_noise(image, apart, sigma=0.1, seed=1, key="k", variant=1)
    add_noise(in_place, in_place, sigma=0.1, seed=1, key="k", variant=1)
    assert np.array_equal(apart, in_place)


def test_a_vanishing_sigma_leaves_the_image() -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (3, 20, 30)).astype(np.float32)
    out = np.empty_like(image)
    add_noise(image, out, sigma=1e-12, seed=1, key="k", variant=1)
    assert np.abs(out - image).max() < 1e-6


@pytest.mark.parametrize("eps", [0.0, -0.1, 2.1, float("nan")])
def test_an_eps_out_of_range_is_refused(eps: float) -> None:
    with pytest.raises(SpecError, match="eps must be in"):
        NoiseSpec(eps=eps)


def test_the_value_draws_and_adds_what_the_functions_do() -> None:
    noise = GaussianNoise(NoiseSpec(eps=0.3, seed=7))
    image = np.zeros((3, 8, 12), np.float32)
    added, drawn, wanted = (np.empty_like(image) for _ in range(3))
    noise.add(image, added, key="a", variant=2)
    sigma = noise.sigma("a", 2)
    assert sigma == draw_sigma(0.3, 7, "a", 2)
    noise.draw(drawn, sigma=sigma, philox_key=noise.philox_key("a"), variant=2)
    add_noise(image, wanted, sigma=sigma, seed=7, key="a", variant=2)
    np.testing.assert_array_equal(added, wanted)
    np.testing.assert_array_equal(drawn, wanted)
    assert "add_noise" in noise.kernel
