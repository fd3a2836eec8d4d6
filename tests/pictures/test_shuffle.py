"""Chromogen taken away, laid on and moved about in a drawn picture."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from augengine.draws.moves import MAX_TRIES, TURNS, Moves, draw_moves
from augengine.pictures.chromogen import add_stain, scale_chromogen
from augengine.pictures.colour import concentrations, tissue_mask
from augengine.pictures.markers import MarkerRule
from augengine.pictures.shuffle import MarkedPicture
from augengine.stains import BUILT_IN
from tests.support.marked_tissue import SIDE, THRESHOLD, marked_tissue

STAIN = BUILT_IN["cd68"]
RULE = MarkerRule(stain=STAIN, threshold=THRESHOLD)


def test_a_draw_does_not_depend_on_how_many_there_are() -> None:
    few, many = (draw_moves(3, "a", 2, count) for count in (2, 9))
    assert np.array_equal(few.places, many.places[:2])
    assert np.array_equal(few.turns, many.turns[:2])
    assert not np.array_equal(few.places, draw_moves(3, "a", 1, 2).places)


def test_the_draws_are_uniform() -> None:
    moves = draw_moves(0, "a", 1, 4000)
    assert moves.places.shape == moves.turns.shape == (4000, MAX_TRIES)
    assert moves.places.min() >= 0
    assert moves.places.max() < 1
    assert np.histogram(moves.places, bins=8, range=(0, 1))[0] == pytest.approx(8000, rel=0.05)
    assert np.bincount(moves.turns.ravel(), minlength=TURNS) == pytest.approx(8000, rel=0.05)


def test_adding_nothing_changes_no_byte() -> None:
    image = marked_tissue(seed=0)
    assert np.array_equal(add_stain(image, STAIN, chromogen=np.zeros((SIDE, SIDE))), image)
    assert np.array_equal(scale_chromogen(image, STAIN, 1), image)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.5])
def test_the_chromogen_is_scaled_and_the_counterstain_stays(factor: float) -> None:
    image = marked_tissue(seed=0)
    before, after = (concentrations(each, STAIN) for each in (image, scale_chromogen(image, STAIN, factor)))
    assert after[..., 1].mean() == pytest.approx(factor * before[..., 1].mean(), abs=0.001)
    assert np.abs(after[..., 0] - before[..., 0]).max() < 0.02


def test_shuffled_markers_lie_on_tissue_and_leave_the_rest_as_it_is() -> None:
    image = marked_tissue(seed=1)
    picture = MarkedPicture(image, RULE)
    made = picture.shuffled(draw_moves(0, "a", 1, len(picture.markers)))
    moved = RULE.mask(made)
    assert len(picture.markers) == 16
    assert moved.sum() == pytest.approx(RULE.mask(image).sum(), rel=0.1)
    assert (tissue_mask(image) & moved).sum() >= 0.9 * moved.sum()
    far = ~binary_dilation(moved | RULE.mask(image), iterations=6)
    assert far.sum() > 0.1 * far.size
    assert np.array_equal(made[far], image[far])


def test_under_a_marker_there_is_tissue_as_around_it() -> None:
    image = marked_tissue(seed=2)
    erased = MarkedPicture(image, RULE).erased
    where = RULE.mask(image)
    assert not RULE.mask(erased).any()
    amounts = concentrations(erased, STAIN)[..., 0]
    assert amounts[where].mean() == pytest.approx(amounts[~where & tissue_mask(image)].mean(), rel=0.2)


def test_the_markers_are_scaled_where_they_are() -> None:
    image = marked_tissue(seed=2)
    picture, where = MarkedPicture(image, RULE), binary_erosion(RULE.mask(image), iterations=2)
    before = concentrations(image, STAIN)[where, 1].mean()
    assert np.array_equal(picture.scaled(1.0), image)
    for factor in (0.0, 0.5, 1.5):
        after = concentrations(picture.scaled(factor), STAIN)[where, 1].mean()
        assert after == pytest.approx(factor * before, abs=0.015)
    assert np.array_equal(picture.scaled(0.0), picture.erased)


def test_a_marker_that_finds_no_place_stays() -> None:
    image = marked_tissue(seed=3)
    picture = MarkedPicture(image, RULE)
    count = len(picture.markers)
    corner = Moves(places=np.zeros((count, MAX_TRIES)), turns=np.zeros((count, MAX_TRIES), dtype=np.int64))
    at_most_one = picture.shuffled(corner)
    assert (at_most_one != image).any(axis=-1).sum() <= 3 * max(len(each.rows) for each in picture.markers)


def test_a_picture_without_markers_stays_as_it_is() -> None:
    glass = np.full((40, 40, 3), 240, dtype=np.uint8)
    picture = MarkedPicture(glass, RULE)
    assert not picture.markers
    assert np.array_equal(picture.shuffled(draw_moves(0, "a", 1, 0)), glass)


def test_a_picture_that_is_all_marker_stays_as_it_is() -> None:
    image = np.full((40, 40, 3), (120, 70, 40), dtype=np.uint8)
    picture = MarkedPicture(image, RULE)
    assert len(picture.markers) == 1
    assert np.array_equal(picture.shuffled(draw_moves(0, "a", 1, 1)), image)


def test_a_speck_on_glass_stays_where_it_is() -> None:
    glass = np.full((60, 60, 3), 250, dtype=np.uint8)
    glass[30, 30] = (150, 100, 60)
    picture = MarkedPicture(glass, MarkerRule(stain=STAIN, threshold=0.02))
    assert len(picture.markers) == 1
    assert not tissue_mask(glass).any()
    assert np.array_equal(picture.shuffled(draw_moves(0, "a", 1, 1)), glass)
