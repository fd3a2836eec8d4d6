"""Marker masks and colour deconvolution, on pictures drawn with the stains' own vectors."""

from __future__ import annotations

import numpy as np
import pytest

from augengine.errors import SpecError
from augengine.pictures import markers
from augengine.pictures.colour import chromogen_alone
from augengine.pictures.markers import contrast, derive_threshold, dice, marker_mask, share
from augengine.stains import BUILT_IN, Stain
from tests.support.pictures import Pixels, spotted

CD68, CD34 = BUILT_IN["cd68"], BUILT_IN["cd34"]


def discs(picture: Pixels) -> np.ndarray:
    """Where `spotted` put them."""
    return np.asarray(picture[..., 2] < 200)


def test_the_threshold_finds_the_spots() -> None:
    picture = spotted(96, 3, seed=1)
    threshold = derive_threshold([picture], CD68)
    found = marker_mask(picture, CD68, threshold)
    truth = discs(picture)
    overlap = dice([found], [truth])
    assert overlap is not None
    assert overlap > 0.85
    nuclei = np.asarray(245 * np.exp(-1.0 * ~truth[..., None] * np.array(CD68.counterstain)), dtype=np.uint8)
    assert not marker_mask(nuclei, CD68, threshold)[~truth].any(), "haematoxylin is no marker"


def test_of_a_slides_worth_of_pixels_windows_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = spotted(96, 12, seed=1)
    whole = derive_threshold([picture], CD68)
    seen: list[tuple[int, ...]] = []
    chromogen = markers.chromogen

    def counted(window: Pixels, stain: Stain) -> np.ndarray:
        seen.append(window.shape)
        return chromogen(window, stain)

    monkeypatch.setattr(markers, "chromogen", counted)
    monkeypatch.setattr(markers, "_WINDOW", 32)
    monkeypatch.setattr(markers, "_MAX_WINDOWS", 6)
    assert derive_threshold([picture], CD68) == pytest.approx(whole, rel=0.2)
    assert seen == [(32, 32, 3)] * 6
    seen.clear()
    derive_threshold([picture[:40, :40]] * 3, CD68)
    assert seen == [(32, 32, 3)] * 6
    seen.clear()
    derive_threshold([np.full((96, 64, 3), 200, np.uint8)] * 9, CD68)
    assert seen == [(32, 32, 3)] * 9


def test_windows_lie_all_over_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "_WINDOW", 10)
    places = np.arange(80 * 80, dtype=np.int32).reshape(80, 80)
    for count, rows, columns in ((16, [5, 25, 45, 65], [5, 25, 45, 65]), (1, [35], [35]), (100, None, None)):
        corners = [divmod(int(window[0, 0]), 80) for window in markers._windows(places, count)]  # type: ignore[arg-type]
        assert len(corners) == (64 if rows is None else count)
        if rows is not None:
            assert {top for top, _ in corners} == set(rows)
            assert {left for _, left in corners} == set(columns or [])


def test_a_threshold_needs_a_picture() -> None:
    with pytest.raises(SpecError, match="at least one picture"):
        derive_threshold([], CD68)


def test_dice_is_pooled_and_undefined_without_markers() -> None:
    one, none = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    half = one.copy()
    half[:2] = False
    assert dice([one, none], [half, none]) == pytest.approx(2 * 8 / 24)
    assert dice([none], [none]) is None
    assert share([one, none, half]) == 0.5


def test_contrast_is_the_difference_to_the_tissue_around() -> None:
    picture = np.full((64, 64, 3), 200, np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[28:36, 28:36] = True
    picture[mask] = (150, 100, 60)
    assert contrast([picture], [mask]) == pytest.approx(140)
    assert contrast([picture], [np.zeros_like(mask)]) is None


@pytest.mark.parametrize("stain", [CD68, CD34], ids=["brown", "red"])
def test_the_chromogen_alone_has_its_own_colour_and_no_nuclei(stain: Stain) -> None:
    amounts = np.zeros((32, 96, 2))
    amounts[:, 32:64, 0] = 1.0  # nuclei, markers, and both
    amounts[:, 64:, 1] = 1.0
    amounts[16:, 32:, :] = 0.7
    vectors = np.array([stain.counterstain, stain.chromogen])
    picture = np.rint(255 * np.exp(-amounts @ vectors)).astype(np.uint8)
    expected = np.rint(255 * np.exp(-amounts[..., 1:] * vectors[1])).astype(np.uint8)
    assert np.abs(chromogen_alone(picture, stain).astype(int) - expected).max() <= 3
