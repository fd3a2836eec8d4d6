"""What follows from the cells of a comparison, in words and in a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from augengine.errors import SourceError, SpecError
from augengine_train.experiments.compare.analysis import Analysis, analyse
from augengine_train.experiments.compare.plan import AMOUNTS, ARMS, Arm
from augengine_train.experiments.compare.report import table
from augengine_train.unet.measures import Counts, Measures
from augengine_train.unet.tiles import Tile
from tests.support.comparisons import tiles as tiles
from tests.support.comparisons import wanted


def cells(values: Mapping[str, tuple[float, float]], patients: int = 8) -> list[dict[str, Any]]:
    """One fold a patient: arm -> share of the truth that is found, with markers and without."""

    def measures(share: float, patient: int) -> dict[str, Any]:
        hits = round(1000 * share) + patient
        return Measures(Counts(hits, 0, 1000 - hits)).to_json()

    return [
        {
            "repeat": 0,
            "fold": fold,
            "arm": arm,
            "patients": {
                f"p{fold}": {
                    f"{amount:g}": measures(without if amount == 0 else found + 0.001 * (fold % 3), fold)
                    for amount in AMOUNTS
                }
            },
        }
        for fold in range(patients)
        for arm, (found, without) in values.items()
    ]


def judged(tiles: tuple[Tile, ...], values: Mapping[str, tuple[float, float]]) -> Analysis:
    arms: tuple[Arm, ...] = tuple(arm for arm in ARMS if arm in values)
    return analyse(wanted(tiles, Path("out"), arms=arms, folds=8), cells(values))


def test_the_shuffle_is_taken_where_it_does_as_well(tiles: tuple[Tile, ...]) -> None:
    found = judged(tiles, {"baseline": (0.4, 0.1), "shuffle": (0.6, 0.55), "paper": (0.61, 0.5)})
    relies, helps, leans = found.verdict()
    assert "relies on the markers: without them F1 falls by" in relies
    assert "These arms raise F1 on these patients: paper, shuffle; shuffle is among them" in helps
    assert "rely less on the markers than the baseline: paper, shuffle" in leans
    assert found.pooled["baseline"][1.0].pixels.f1 == pytest.approx(0.57, abs=0.02)


def test_the_paper_is_taken_where_it_beats_the_shuffle(tiles: tuple[Tile, ...]) -> None:
    found = judged(tiles, {"baseline": (0.4, 0.1), "shuffle": (0.5, 0.4), "paper": (0.8, 0.7)})
    assert "paper raises it most: take it" in found.verdict()[1]


def test_an_arm_without_generators_is_taken_only_if_none_with_them_beats_it(tiles: tuple[Tile, ...]) -> None:
    found = judged(tiles, {"baseline": (0.4, 0.1), "paper": (0.8, 0.7), "stain-jitter": (0.45, 0.2)})
    assert "paper raises it most: take it" in found.verdict()[1]


def test_of_a_segmenter_that_finds_little_nothing_is_said(tiles: tuple[Tile, ...]) -> None:
    found = judged(tiles, {"baseline": (0.1, 0.09), "shuffle": (0.1, 0.1)})
    assert "cannot be said" in found.verdict()[0]


def test_a_fall_with_more_chromogen_is_no_reliance_on_markers_alone(tiles: tuple[Tile, ...]) -> None:
    values = {"baseline": (0.7, 0.2), "shuffle": (0.7, 0.7)}
    arms: tuple[Arm, ...] = ("baseline", "shuffle")
    results = cells(values)
    assert not any("unusual colour" in line for line in judged(tiles, values).verdict())
    for each in results:
        for by_amount in each["patients"].values():
            by_amount["1.5"] = by_amount["0"]
    found = analyse(wanted(tiles, Path("out"), arms=arms, folds=8), results)
    assert "part of R is the unusual colour" in found.verdict()[1]


def test_where_nothing_helps_it_says_so(tiles: tuple[Tile, ...]) -> None:
    found = judged(tiles, {"baseline": (0.6, 0.59), "shuffle": (0.6, 0.6), "haematoxylin": (0.3, 0.3)})
    assert "does not rely on the markers" in found.verdict()[0]
    assert "No arm is shown to raise F1" in found.verdict()[1]
    assert "These lower it: haematoxylin" in found.verdict()[1]
    assert any("power of 80 %" in line for line in found.lines())
    assert len(table(found)) == 7


def test_patients_without_anything_to_find_count_in_the_pooled_numbers_alone(tiles: tuple[Tile, ...]) -> None:
    results = cells({"baseline": (0.5, 0.5), "shuffle": (0.6, 0.5)})
    for each in results[:2]:
        each["patients"]["p0"] = {f"{amount:g}": Measures(Counts(0, 7, 0)).to_json() for amount in AMOUNTS}
    found = analyse(wanted(tiles, Path("out"), folds=8), results)
    assert (found.left_out, len(found.units)) == (("p0",), 7)
    assert found.pooled["baseline"][1.0].pixels.false_positives == 7
    with pytest.raises(SpecError, match="1 cells were not run"):
        analyse(wanted(tiles, Path("out"), folds=8), results[:-1])
    with pytest.raises(SourceError, match="2 patients show something to find, 3 are needed"):
        analyse(wanted(tiles, Path("out"), folds=3), [each for each in results if each["fold"] < 3])
