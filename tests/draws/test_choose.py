"""The online rule."""

from __future__ import annotations

from collections import Counter

import pytest
from scipy import stats

from augengine.draws.choose import pick, pick_fresh
from augengine.errors import SpecError

KEYS = [f"sample_{i}" for i in range(2000)]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_variants_are_shown_as_often_as_asked(p: float) -> None:
    shown = sum(pick(3, p, 0, key, epoch=0) > 0 for key in KEYS)
    assert stats.binomtest(shown, len(KEYS), p).pvalue > 0.01


def test_over_the_epochs_of_one_sample_it_is_as_often() -> None:
    shown = sum(pick(3, 0.5, 0, "a", epoch) > 0 for epoch in range(2000))
    assert stats.binomtest(shown, 2000, 0.5).pvalue > 0.01


def test_each_variant_is_as_likely_as_the_others() -> None:
    counts = Counter(pick(5, 0.5, 0, key, epoch=3) for key in KEYS)
    assert set(counts) == {0, 1, 2, 3, 4, 5}
    assert stats.chisquare([counts[variant] for variant in range(1, 6)]).pvalue > 0.01


def test_every_reader_sees_the_same_and_every_epoch_and_seed_another() -> None:
    def shown(seed: int, epoch: int) -> list[int]:
        return [pick(3, 0.5, seed, key, epoch) for key in KEYS[:100]]

    assert shown(0, 1) == shown(0, 1)
    assert shown(0, 1) != shown(0, 2)
    assert shown(0, 1) != shown(1, 1)


@pytest.mark.parametrize("variants", [1, 4])
def test_p_zero_never_augments_and_p_one_always_does(variants: int) -> None:
    assert {pick(variants, 0, 0, key, 0) for key in KEYS} == {0}
    assert {pick(variants, 1, 0, key, 0) for key in KEYS} == set(range(1, variants + 1))


def test_a_source_without_variants_shows_itself() -> None:
    assert {pick(0, 1, 0, key, 0) for key in KEYS[:50]} == {0}


def test_where_every_epoch_has_a_variant_of_its_own_the_coin_is_the_same() -> None:
    for epoch in range(5):
        shown = [pick_fresh(0.5, 0, key, epoch) for key in KEYS[:100]]
        assert set(shown) == {0, epoch + 1}
        assert [variant > 0 for variant in shown] == [pick(3, 0.5, 0, key, epoch) > 0 for key in KEYS[:100]]


@pytest.mark.parametrize(
    ("variants", "p", "epoch", "said"),
    [
        (1, -0.1, 0, "p must"),
        (1, 1.1, 0, "p must"),
        (1, float("nan"), 0, "p must"),
        (-1, 0.5, 0, "-1"),
        (1, 0.5, -2, "-2"),
    ],
)
def test_values_out_of_range_are_refused(variants: int, p: float, epoch: int, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        pick(variants, p, 0, "a", epoch)
