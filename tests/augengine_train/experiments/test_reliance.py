"""The sharp experiment at toy size: its tissue, its arms, its cells, and the verdict that follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augengine.errors import PlanMismatch, SpecError
from augengine.sample import SOURCE_VARIANT
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.reliance.__main__ import run
from augengine_train.experiments.reliance.analysis import Analysis, analyse
from augengine_train.experiments.reliance.arms import cohort_of
from augengine_train.experiments.reliance.plan import ARMS, Plan
from augengine_train.experiments.reliance.report import table
from augengine_train.experiments.reliance.tissue import ROLES, TESTS, draw_tissue, folder_of, series_of
from augengine_train.loop.commands import Echo
from augengine_train.phantom import draw_field
from augengine_train.unet.measures import Counts, Measures
from augengine_train.unet.tiles import find_tiles
from tests.support.segmenter_tiles import tiny_recipe
from tests.support.small_generator import write_small_pair


def toy(**changes: Any) -> Plan:
    """Two units of CD68 at 64 px, one training step each."""
    sizes: dict[str, Any] = {"train_patients": 2, "validation_patients": 2, "test_patients": 2, "tiles": 2}
    sizes |= {"side": 64, "mpp": 4.0, "units": 2, "stain": "cd68"}
    return Plan(**{"recipe": tiny_recipe(width=2), "steps": 1, "variants": 1, **sizes, **changes})


def test_the_four_drawings_are_one_anatomy(tmp_path: Path) -> None:
    plan = toy(side=128, infiltrates=30.0)
    fields = {test: [draw_field(series_of(plan, 0, test).spec(i)) for i in range(4)] for test in TESTS}
    for even, *others in zip(*(fields[test] for test in TESTS), strict=True):
        assert all(np.array_equal(even.glomeruli, other.glomeruli) for other in others)
    marked = {test: sum(int(field.markers.sum()) for field in found) for test, found in fields.items()}
    assert marked["even"] < marked["crowded"] < marked["bait"]
    even, moved = ([field.markers for field in fields[test]] for test in ("even", "moved"))
    assert not np.array_equal(even, moved)


def test_no_two_units_or_roles_share_a_patient() -> None:
    plan = toy()
    seen = [
        set(range(each.first_patient, each.first_patient + each.patients))
        for unit in plan.numbers
        for each in (series_of(plan, unit, role) for role in ("train", "validation", "even"))
    ]
    assert len(set.union(*seen)) == sum(map(len, seen))


@pytest.mark.parametrize("changes", [{"units": 1}, {"arms": ("baseline", "paper")}, {"steps": 0}, {"tiles": 0}])
def test_a_plan_checks_itself(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        toy(**changes)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_small_pair(folder, mpp=4.0)
    return folder


@pytest.mark.e2e
def test_the_whole_experiment_runs_and_goes_on(weights: Path, tmp_path: Path) -> None:
    plan = toy()
    lines = run(plan, tmp_path, weights, Echo())
    found = json.loads((tmp_path / "reliance.json").read_text())
    assert len(found["cells"]) == 2 * len(ARMS)
    assert set(found["cells"][0]) == {"unit", "arm", *TESTS, "agreement"}
    assert found["analysis"]["verdict"][0] in lines
    assert all(any(folder_of(tmp_path, 1, role).glob("*.tar")) for role in ROLES)
    log = tmp_path / "cells.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    assert run(plan, tmp_path, weights, Echo()) == lines
    with pytest.raises(PlanMismatch, match="another experiment: steps 1 there, 2 wanted"):
        run(replace(plan, steps=2), tmp_path, weights, Echo())
    oracle, bare = (cohort_of(tmp_path, 0, arm) for arm in ("oracle-even", "haematoxylin"))
    assert {tile.variants for tile in oracle.train} == {1}
    assert {tile.variants for tile in bare.train} == {0}
    plain = find_tiles([str(folder_of(tmp_path, 0, "train"))])
    reader = PlaceReader()
    for one, other in zip(plain, oracle.train, strict=True):
        assert one.key == other.key
        assert np.array_equal(reader.image(one.images[SOURCE_VARIANT]), reader.image(other.images[SOURCE_VARIANT]))


def test_tissue_is_drawn_once(tmp_path: Path) -> None:
    plan = toy(units=2)
    draw_tissue(plan, tmp_path, print)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.tar")}
    draw_tissue(plan, tmp_path, print)
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.tar")}
    assert len(before) == 2 * len(ROLES)


def cells(found: Mapping[str, tuple[float, float]], units: int = 8) -> list[dict[str, Any]]:
    """Arm -> share of the truth that is found where markers are even, and where they crowd."""

    def measures(share: float, unit: int) -> dict[str, Any]:
        hits = round(1000 * share) + unit * (1 + unit % 2)
        return Measures(Counts(hits, 100, 1000 - hits)).to_json()

    return [
        {
            "unit": unit,
            "arm": arm,
            "even": measures(even + 0.003 * (unit % 3), unit),
            "crowded": measures(crowded, unit),
            "moved": measures(even, unit),
            "bait": measures(crowded, unit),
            "agreement": measures(even, unit)["pixels"],
        }
        for unit in range(units)
        for arm, (even, crowded) in found.items()
    ]


def judged(found: Mapping[str, tuple[float, float]]) -> Analysis:
    plan = toy(units=8, arms=tuple(arm for arm in ARMS if arm in found))
    return analyse(plan, cells(found))


def test_the_verdict_follows_the_numbers() -> None:
    base = {"baseline": (0.3, 0.8), "reconstruction": (0.4, 0.7), "paper": (0.6, 0.65), "shuffle": (0.5, 0.65)}
    less = judged(base)
    assert less.verdict()[0].startswith("With noise segmenters rely less")
    assert less.verdict()[1] == "It makes them rely less than shuffled markers do."
    rival = judged({**base, "shuffle": (0.7, 0.7)})
    assert "take the shuffle" in rival.verdict()[1]
    none = judged({**base, "paper": (0.4, 0.7), "shuffle": (0.4, 0.7)})
    assert none.verdict()[0].endswith("is not shown.")
    assert "need no generators: take the shuffle" in none.verdict()[1]
    more = judged({**base, "paper": (0.2, 0.8)})
    assert more.verdict()[0].startswith("With noise segmenters rely more")
    assert len(table(less)) == 2 + 4
    assert less.means["baseline"]["R"][0] == pytest.approx(0.4, abs=0.1)
    assert any("power" in line for line in less.lines())
    with pytest.raises(SpecError, match="1 cells were not run"):
        analyse(toy(units=8, arms=tuple(base)), cells(base)[:-1])
