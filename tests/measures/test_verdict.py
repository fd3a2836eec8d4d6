"""The verdict and the rule for eps: each threshold on a case on either side of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augengine.errors import SpecError
from augengine.measures.verdict import DEFAULT_RULE, Bounds, Evidence, Kept, Verdict, VerdictRule, choose_eps, figure

BOUNDS = Bounds()
USUAL = Kept(sigma=0.05, structure=0.99, area=1.0)
STRONG = Kept(sigma=0.2, structure=0.9, area=1.1)
GOOD = Evidence(dice=0.9, structure=0.7, usual=USUAL, strong=STRONG, agreement=0.4)


def judged(**changes: object) -> Verdict:
    return DEFAULT_RULE.judge(replace(GOOD, **changes), BOUNDS)  # type: ignore[arg-type]


def test_a_pair_that_finds_its_markers_and_loses_them_under_noise_hides_and_responds() -> None:
    found = judged()
    assert found.word == "hides and responds"
    assert "Dice of 0.90" in found.reason
    assert "agree 0.40" in found.reason


@pytest.mark.parametrize(
    ("field", "bad", "good", "reason"),
    [
        ("dice", 0.749, 0.75, "without noise the markers come back with a Dice of 0.7490, 0.75 is needed"),
        ("dice", None, 0.75, "a Dice of 0.00"),
        ("structure", 0.199, 0.2, "without noise the counterstain has a structural similarity of 0.1990"),
        ("usual", replace(USUAL, structure=0.94), replace(USUAL, structure=0.95), "0.94 of the counterstain's"),
        ("usual", replace(USUAL, area=1.51), replace(USUAL, area=1.5), "1.51 times the source's, beyond 1.5"),
        ("usual", replace(USUAL, area=0.66), replace(USUAL, area=0.67), "0.66 times the source's"),
        ("agreement", None, 0.0, "at sigma 0.2, no marker is left"),
    ],
)  # fmt: skip
def test_what_breaks_is_unstable_and_what_just_holds_is_not(field: str, bad: object, good: object, reason: str) -> None:
    broken = judged(**{field: bad})
    assert broken.word == "unstable"
    assert reason in broken.reason
    assert judged(**{field: good}).word == "hides and responds"


def test_draws_that_agree_mean_that_augmentation_would_do_nothing() -> None:
    assert judged(agreement=0.8).word == "hides and responds"
    found = judged(agreement=0.801)
    assert found.word == "hardly responds"
    assert "augmentation would do nothing" in found.sentence()


def test_draws_that_agree_because_all_is_marker_do_not_count_as_agreement() -> None:
    exploded = replace(STRONG, area=12.0)
    assert judged(agreement=0.99, strong=exploded).word == "unstable"
    assert "by chance" in judged(agreement=0.99, strong=exploded).reason
    assert judged(agreement=0.5, strong=exploded).word == "hides and responds"


def test_a_pair_that_copies_hardly_responds_though_noise_spoils_its_tissue() -> None:
    assert judged(agreement=0.95, usual=replace(USUAL, structure=0.6)).word == "hardly responds"


@pytest.mark.parametrize(
    "changes",
    [{"least_dice": 0}, {"least_structure": 1}, {"most_agreement": 1.2}, {"stable_at": 0.3}, {"responds_at": 2.5}],
)
def test_a_rule_checks_itself(changes: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        VerdictRule(**changes)


# ---- eps


def grid(*rows: tuple[float, float, float]) -> list[Kept]:
    return [Kept(sigma=sigma, structure=structure, area=area) for sigma, structure, area in rows]


def test_eps_is_the_largest_within_both_bounds() -> None:
    found = choose_eps(grid((0.01, 1, 1), (0.05, 0.97, 1.2), (0.1, 0.94, 1.2), (0.3, 0.8, 1.2)), BOUNDS)
    assert found.eps == 0.05
    assert found.reason == "at sigma 0.1, 0.94 of the counterstain's structure is left, 0.95 is needed"
    found = choose_eps(grid((0.01, 1, 1), (0.05, 0.97, 1.2), (0.1, 0.97, 0.5)), BOUNDS)
    assert found.eps == 0.05
    assert "0.50 times" in found.reason


def test_eps_does_not_jump_over_one_that_breaks() -> None:
    assert choose_eps(grid((0.01, 1, 1), (0.05, 0.9, 1), (0.1, 0.99, 1)), BOUNDS).eps == 0.01


def test_there_is_an_eps_for_a_whole_good_grid_and_none_for_a_bad_start() -> None:
    assert choose_eps(grid((0.01, 1, 1), (0.9, 1, 1)), BOUNDS).eps == 0.9
    assert choose_eps(grid((0.01, 0.5, 1), (0.9, 1, 1)), BOUNDS).eps is None


_SHARES = st.tuples(st.floats(0.5, 1), st.floats(0.2, 5))


@given(
    st.lists(_SHARES, min_size=1, max_size=6), st.floats(0.6, 1), st.floats(1, 3), st.floats(0, 0.2), st.floats(0, 2)
)
def test_wider_bounds_never_give_a_smaller_eps(
    rows: list[tuple[float, float]], structure: float, area: float, looser: float, wider: float
) -> None:
    found = grid(*((0.1 * (i + 1), *row) for i, row in enumerate(rows)))
    narrow = choose_eps(found, Bounds(structure=structure, area=area)).eps or 0
    assert (choose_eps(found, Bounds(structure=structure - looser, area=area + wider)).eps or 0) >= narrow


@pytest.mark.parametrize("changes", [{"structure": 0}, {"structure": 1.1}, {"area": 0.9}, {"area": float("inf")}])
def test_bounds_check_themselves(changes: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        Bounds(**changes)


@pytest.mark.parametrize("changes", [{"sigma": 0}, {"area": -1}, {"area": float("nan")}])
def test_what_is_kept_checks_itself(changes: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        Kept(**{"sigma": 0.1, "structure": 1.0, "area": 1.0, **changes})


def test_a_figure_never_reads_as_its_own_bound() -> None:
    assert (figure(0.7461, 0.75), figure(0.74, 0.75), figure(0.12, 0.75)) == ("0.7461", "0.74", "0.12")
