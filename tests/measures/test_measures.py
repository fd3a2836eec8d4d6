"""What is measured of a pair of generators, on pairs and pictures whose numbers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augengine.chain.translate import normalise
from augengine.draws.noise import FloatImage, unit_noise
from augengine.errors import SpecError
from augengine.measures import (
    Cycle,
    CycleError,
    Spectrum,
    UnderNoise,
    Wiped,
    Wipes,
    check_sigmas,
    control,
    cycle_error,
    draw,
    rms,
    run_cycles,
    spectrum,
    structure,
    under_noise,
    wipe,
)
from augengine.pictures.encode import jpeg_round_trip
from augengine.pictures.markers import MarkerRule, share
from tests.support.known_pairs import CD68, RULE, KnownPair, copying, forgetting, hiding, squeezing
from tests.support.pictures import stained, tissue

TILES = [stained(seed=i) for i in range(3)]
MASKS = [RULE.mask(tile) for tile in TILES]
STEP = 1 / 127.5
"""One grey level in [-1, 1]."""


def cycles(pair: KnownPair) -> list[Cycle]:
    inputs = list(normalise(TILES))
    return run_cycles([f"tile-{i}" for i in range(3)], inputs, pair.to_reference, pair.from_reference)


def noisy(pair: KnownPair, sigma: float, seed: int = 0) -> UnderNoise:
    run = cycles(pair)
    first, second = (draw(run, pair.from_reference, sigma=sigma, seed=seed, variant=v) for v in (1, 2))
    return under_noise(run, MASKS, (first, second), RULE, sigma)


def wiped(pair: KnownPair, wipes: Wipes | None = None) -> list[Wiped]:
    return wipe(cycles(pair), MASKS, pair.from_reference, RULE, wipes or Wipes())


def number(value: float | None) -> float:
    assert value is not None
    return value


# ---- cycles


def test_a_copy_has_no_cycle_error_and_white_has_the_pictures_own() -> None:
    assert cycle_error(cycles(copying())) == CycleError(l1=0.0, rms=0.0)
    white = 1 - normalise(TILES)
    assert cycle_error(cycles(forgetting())).l1 == pytest.approx(float(np.abs(white).mean()), rel=1e-6)


# ---- noise


@pytest.mark.parametrize("sigma", [0.01, 0.2, 1.0])
def test_a_copy_responds_with_the_noise_itself(sigma: float) -> None:
    assert noisy(copying(), sigma).response == pytest.approx(sigma, rel=0.02)


def test_hidden_markers_move_and_their_number_stays_until_the_code_drowns() -> None:
    agreement = [number(noisy(hiding(), sigma).agreement) for sigma in (0.01, 0.1, 0.2, 0.3)]
    assert agreement == sorted(agreement, reverse=True)
    assert agreement[0] > 0.95
    assert agreement[-1] < 0.5
    found = noisy(hiding(), 0.1)
    assert found.area == pytest.approx(share(MASKS), rel=0.4)
    assert number(found.faithful) > 0.8


def test_where_no_draw_holds_a_marker_there_is_nothing_to_agree_on() -> None:
    found = noisy(forgetting(), 0.1)
    assert (found.agreement, found.faithful, found.area, found.response) == (None, 0, 0, 0)


def test_a_draw_is_that_of_the_samples_key_and_of_no_neighbour() -> None:
    run = cycles(copying())
    together = draw(run, list, sigma=0.1, seed=7, variant=3)
    (alone,) = draw(run[1:2], list, sigma=0.1, seed=7, variant=3)
    np.testing.assert_array_equal(together[1], alone)
    expected = run[1].there + np.float32(0.1) * unit_noise(7, "tile-1", 3, 96, 96)
    np.testing.assert_array_equal(alone, expected)


def test_the_control_is_the_noise_on_the_picture_whatever_the_pair_does_with_it() -> None:
    copy, hidden = cycles(copying()), cycles(hiding())
    assert control(copy, MASKS, RULE, 0.2, seed=0) == noisy(copying(), 0.2)
    found = control(hidden, MASKS, RULE, 0.2, seed=0)
    assert found.response == pytest.approx(0.2, rel=0.02)
    assert number(found.agreement) > 0.9 > number(noisy(hiding(), 0.2).agreement)


def test_numbers_follow_the_seed() -> None:
    assert noisy(hiding(), 0.2) == noisy(hiding(), 0.2)
    assert noisy(hiding(), 0.2) != noisy(hiding(), 0.2, seed=1)


# ---- wiping


def test_8_bits_cost_a_copy_nothing_and_a_squeezed_picture_its_grey_levels() -> None:
    copy, squeezed = wiped(copying())[0], wiped(squeezing())[0]
    assert (copy.name, copy.lost, copy.change) == ("8 bits", 0, 0)
    # Uniform rounding errors have a deviation of a step over the square root of 12; they come back 50-fold.
    assert squeezed.change == pytest.approx(STEP / 12**0.5 / 0.02, rel=0.3)


def test_a_blur_wipes_a_fine_code_and_spares_what_is_seen() -> None:
    hidden, seen = wiped(hiding())[-1], wiped(copying())[-1]
    assert hidden.name == "blur, 1 px"
    assert hidden.marker_dice == 0
    assert number(seen.marker_dice) > 0.9


def test_more_wiping_loses_more() -> None:
    ways = [Wipes(jpeg_quality=quality, blur_px=px) for quality, px in ((95, 0.5), (50, 1.0), (5, 3.0))]
    found = [wiped(copying(), way) for way in ways]
    for which in (1, 2):
        lost = [each[which].lost for each in found]
        assert lost == sorted(lost)
        assert lost[0] > 0


def test_a_jpeg_of_the_best_quality_is_the_picture_within_a_few_grey_levels() -> None:
    flat = np.full((32, 32, 3), (200, 120, 40), np.uint8)
    assert np.abs(jpeg_round_trip(flat, 100).astype(int) - flat).max() <= 2


# ---- structure


def test_markers_elsewhere_leave_the_counterstain_and_other_tissue_does_not() -> None:
    moved = [stained(seed=i, spots=12) for i in range(3)]
    assert structure(TILES, TILES, CD68) == pytest.approx(1)
    assert structure(TILES, moved, CD68) > 0.97
    assert structure(TILES, [stained(seed=10 + i) for i in range(3)], CD68) < 0.5


def test_noise_on_the_picture_costs_structure() -> None:
    rng = np.random.default_rng(0)
    levels = [
        structure(TILES, [np.clip(t + rng.normal(0, s, t.shape), 0, 255).astype(np.uint8) for t in TILES], CD68)
        for s in (0, 3, 10, 40)
    ]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] < 0.5


# ---- spectrum


def wave(frequency: float, amplitude: float = 0.5, side: int = 128) -> FloatImage:
    x = np.arange(side, dtype=np.float32)
    row = amplitude * np.sin(2 * np.pi * frequency * x)
    return np.ascontiguousarray(np.broadcast_to(row, (3, side, side)), dtype=np.float32)


@given(st.integers(4, 28))
def test_a_wave_stands_at_its_frequency(ring: int) -> None:
    frequency = (ring + 0.5) / 64
    found = spectrum([wave(frequency)])
    assert found.frequency[int(np.argmax(found.power))] == pytest.approx(frequency, abs=0.5 / 64)


def test_white_noise_has_its_variance_at_every_frequency() -> None:
    images = [np.float32(0.1) * unit_noise(0, f"k{i}", 1, 96, 128) for i in range(8)]
    found = spectrum(images)
    assert np.array(found.power)[2:] == pytest.approx(0.01, rel=0.2)


def test_twice_the_amplitude_is_6_decibels() -> None:
    images = [unit_noise(0, "a", 1, 64, 64)]
    louder = spectrum([2 * image for image in images])
    found = louder.over(spectrum(images))
    assert (found.fine_db, found.peak_db) == pytest.approx((6.02, 6.02), abs=0.01)
    assert np.array(found.ratio_db) == pytest.approx(6.02, abs=0.01)


def test_a_checkerboard_code_shows_above_the_tissue_it_hides_in() -> None:
    plain = [normalise([tissue(96, 96, seed=i)])[0] for i in range(3)]
    coded = spectrum([cycle.there for cycle in cycles(hiding())])
    found = coded.over(spectrum(plain))
    assert found.peak_db > 10
    assert found.peak_frequency == pytest.approx(0.7, abs=0.02)


def test_a_checkerboard_is_told_in_decibels_and_a_coarse_change_is_not() -> None:
    rng = np.random.default_rng(0)
    plain = rng.normal(0, 0.1, (3, 64, 64)).astype(np.float32)
    y, x = np.mgrid[:64, :64]
    board = plain + 0.1 * np.where((y + x) % 2, 1, -1).astype(np.float32)
    coarse = plain + 0.3 * np.sin(y / 8).astype(np.float32)
    assert spectrum([board]).checkerboard_over(spectrum([plain])) > 6
    assert abs(spectrum([coarse]).checkerboard_over(spectrum([plain]))) < 0.5
    assert spectrum([plain]).checkerboard_over(spectrum([plain])) == 0


def test_a_flat_image_has_a_spectrum_too() -> None:
    assert max(spectrum([np.zeros((3, 32, 32), np.float32)]).power) < 1e-15


def test_spectra_of_other_sizes_and_of_specks_are_refused() -> None:
    with pytest.raises(SpecError, match="one size"):
        spectrum([wave(0.1, side=16)]).over(spectrum([wave(0.1)]))
    for images in ([], [wave(0.1, side=12)]):
        with pytest.raises(SpecError, match="at least 16 px"):
            spectrum(images)
    with pytest.raises(SpecError, match="positive power"):
        Spectrum(frequency=(0.1,), power=(0.0,))


# ---- values that check themselves


@pytest.mark.parametrize("sigmas", [(0.1, 0.05), (0.0,), (3.0,), (0.1, 0.1), (float("nan"),)])
def test_senseless_sigmas_are_refused(sigmas: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="ascending"):
        check_sigmas(sigmas)


@pytest.mark.parametrize("changes", [{"response": -1.0}, {"area": 1.1}, {"agreement": 1.1}, {"faithful": -0.1}])
def test_numbers_that_no_measurement_gives_are_refused(changes: dict[str, float]) -> None:
    sound = {"sigma": 0.1, "response": 0.1, "agreement": 0.5, "faithful": 0.5, "area": 0.1}
    with pytest.raises(SpecError):
        UnderNoise(**{**sound, **changes})


def test_wipes_and_thresholds_out_of_range_are_refused() -> None:
    for quality in (0, 101):
        with pytest.raises(SpecError, match="quality"):
            Wipes(jpeg_quality=quality)
    with pytest.raises(SpecError, match="blur"):
        Wipes(blur_px=0)
    for threshold in (0.0, -1.0, float("nan")):
        with pytest.raises(SpecError, match="above 0"):
            MarkerRule(stain=CD68, threshold=threshold)


def test_the_root_mean_square_is_that() -> None:
    assert rms(np.full((3, 4, 4), -0.5, np.float32)) == 0.5


def test_psnr_is_that_of_images_whose_values_span_two() -> None:
    assert CycleError(l1=0.1, rms=0.2).psnr == pytest.approx(20)
    assert CycleError(l1=0.0, rms=0.0).psnr == math.inf
