"""Pairs of generators whose behaviour is known get the verdict, the eps and the numbers that they deserve."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augengine.compiling import Tile
from augengine.engines.fidelity import Budget
from augengine.errors import SourceError
from augengine.measures import Wipes
from augengine.measures.objects import MarkerObjects
from augengine.probing import Bounds, Probe
from augengine.probing.measuring import measure
from augengine.probing.report import Cost, integral
from tests.support.known_pairs import KnownPair, copying, forgetting, hiding, squeezing
from tests.support.known_specimen import shown, specimen
from tests.support.pictures import tissue
from tests.support.probes import asked


def measured(pair: KnownPair, weights: Path, **changes: Any) -> Probe:
    return measure(specimen(pair, weights, shown()), asked(**changes), lambda _: None, lambda *_: ())


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        (hiding(), "hides and responds"),
        (copying(), "hardly responds"),
        (forgetting(), "unstable"),
        (squeezing(), "unstable"),
    ],
    ids=["hiding", "copying", "forgetting", "squeezing"],
)
def test_a_known_pair_gets_its_verdict(pair: KnownPair, word: str, small_weights: Path) -> None:
    assert measured(pair, small_weights).verdict.word == word


def test_eps_follows_the_bounds(small_weights: Path) -> None:
    found = measured(hiding(), small_weights)
    kept = {each.sigma: each for each in found.kept()}
    assert found.choice.eps == 0.07
    assert kept[0.07].structure >= 0.95 > kept[0.1].structure
    loose = measured(hiding(), small_weights, bounds=Bounds(structure=0.1, area=9))
    assert loose.choice.eps is not None
    assert loose.choice.eps > 0.07


def test_it_says_how_many_markers_the_chosen_eps_moves(small_weights: Path) -> None:
    found = measured(hiding(), small_weights)
    few = found.points[0].objects
    assert "at sigma 0.07 noise moves" in found.moves
    assert found.moves in found.lines()
    weak = replace(found, points=tuple(replace(each, objects=few) for each in found.points))
    strong = replace(
        found, points=tuple(replace(each, objects=MarkerObjects(kept=1, lost=9, new=9)) for each in found.points)
    )
    assert "is little, so variants of one tile look alike" in weak.moves
    assert strong.moves == "at sigma 0.07 noise moves 90% of 10 small markers"
    assert measured(copying(), small_weights).moves == ""


def test_the_verdicts_sigmas_are_measured_besides_those_asked_for(small_weights: Path) -> None:
    found = measured(copying(), small_weights, sigmas=(0.3,))
    assert [point.noise.sigma for point in found.points] == [0.05, 0.2, 0.3]


def test_the_response_of_a_copy_integrates_to_half_the_square(small_weights: Path) -> None:
    assert measured(copying(), small_weights).response_integral == pytest.approx(0.02, rel=0.02)


def test_an_integral_ends_at_its_end_and_is_straight_in_between() -> None:
    assert integral([(0.1, 1.0), (0.3, 3.0)]) == pytest.approx(0.2**2 / 2 * 10)
    assert integral([(0.2, 2.0)]) == integral([(0.1, 1.0), (0.2, 2.0), (0.9, 0.0)])


def test_a_probe_says_how_well_the_markers_are_hidden_and_what_wipes_them(small_weights: Path) -> None:
    found = measured(hiding(), small_weights, wipes=Wipes(jpeg_quality=30, blur_px=2))
    assert found.markers.contrast is not None
    assert found.markers.contrast_hidden is not None
    assert found.markers.contrast_hidden < 15 < 100 < found.markers.contrast
    said = "\n".join(found.lines())
    assert "JPEG, quality 30" in said
    assert "blur, 2 px" in said
    assert "compared with nothing, since no pas tiles were given" in said


def test_a_probe_is_plain_json(small_weights: Path) -> None:
    found = measured(forgetting(), small_weights)
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["verdict"]["word"] == "unstable"
    assert again["points"][0]["noise"]["agreement"] is None
    assert again["choice"]["eps"] is None
    assert again["tissue"]["left_out"] == [{"key": "t9", "reason": "the tile is of one colour"}]
    assert "unconfirmed" in again["about_response"]


def test_what_a_precision_costs_is_told_as_noise() -> None:
    budget = Budget(
        precision="bfloat16", tiles=1, height=64, width=64, surrogate=False, error_a=0.002, error_chain=0.002,
        error_chain_range=(0.002, 0.002), sigmas=(0.05,), response=(0.04,), equivalent_sigma=0.0025,
        equivalent_sigma_range=(0.0025, 0.0025),
    )  # fmt: skip
    assert "equals noise of sigma 0.0025: within" in Cost(precision="bfloat16", budget=budget).line(0.05)
    assert "outside" in Cost(precision="bfloat16", budget=budget).line(0.01)
    assert Cost(precision="float32", budget=None).line(0.05) == "float32: the reference"


def test_tissue_without_any_marker_is_refused(small_weights: Path) -> None:
    plain = Tile(key="t", image_hwc=tissue(96, 96))
    bare = specimen(copying(), small_weights, (plain,))
    with pytest.raises(SourceError, match=r"none of 1 tiles holds a cd68 marker \(a concentration above 0.020\)"):
        measure(bare, asked(), lambda _: None)
