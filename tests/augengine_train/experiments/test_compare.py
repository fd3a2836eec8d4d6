"""The comparison on a user's tiles: its folds, its arms, its cells, and what follows from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from augengine.errors import PlanMismatch, SourceError, SpecError, WeightsError
from augengine.pictures.colour import concentrations
from augengine.pictures.markers import MarkerRule
from augengine.sample import SOURCE_VARIANT
from augengine.stains import BUILT_IN
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.compare.__main__ import main
from augengine_train.experiments.compare.arms import shown_tiles
from augengine_train.experiments.compare.cell import dosed
from augengine_train.experiments.compare.folds import cohort_of, deal_folds
from augengine_train.experiments.compare.plan import AMOUNTS, ARMS, Arm, Comparing
from augengine_train.experiments.compare.run import run
from augengine_train.unet.tiles import Tile, find_tiles
from tests.support.comparisons import PATIENTS, wanted
from tests.support.comparisons import tiles as tiles
from tests.support.datasets import Listener
from tests.support.marked_tissue import THRESHOLD, marked_tissue
from tests.support.segmenter_tiles import names, write_tiles
from tests.support.small_generator import write_small_pair


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_small_pair(folder)
    return folder


def test_each_patient_is_tested_once_and_never_learnt_from_then(tiles: tuple[Tile, ...]) -> None:
    folds = deal_folds(tiles, 3, 0, PATIENTS)
    assert sorted(name for fold in folds for name in fold) == list(PATIENTS)
    assert folds == deal_folds(tiles, 3, 0, PATIENTS)
    for number, fold in enumerate(folds):
        cohort = cohort_of(tiles, folds, number)
        assert {tile.patient for tile in cohort.test} == set(fold)
        assert len(cohort.tiles) == len(tiles)


def test_folds_have_about_as_many_tiles(tiles: tuple[Tile, ...]) -> None:
    many = tuple(replace(tiles[0], key=f"k{i}", patient=f"p{min(i, 5)}") for i in range(20))
    sizes = [sum(tile.patient in fold for tile in many) for fold in deal_folds(many, 3, 1, [f"p{i}" for i in range(6)])]
    assert sorted(sizes) == [2, 3, 15]


def test_every_fold_has_a_patient_who_shows_something(tiles: tuple[Tile, ...]) -> None:
    many = tuple(replace(tiles[0], key=f"k{i}", patient=f"p{i % 9}") for i in range(40))
    for seed in range(20):
        folds = deal_folds(many, 3, seed, ["p0", "p4", "p8"])
        assert all(len(set(fold) & {"p0", "p4", "p8"}) == 1 for fold in folds)


def test_tiles_without_patients_or_with_too_few_are_refused(tiles: tuple[Tile, ...]) -> None:
    with pytest.raises(SourceError, match="10 tiles say no patient"):
        deal_folds([replace(tile, patient="") for tile in tiles], 3, 0, [])
    with pytest.raises(SourceError, match="4 patients show something to find, 5 folds need one each") as caught:
        deal_folds(tiles, 5, 0, PATIENTS)
    assert caught.value.hint == "--folds 4"
    with pytest.raises(SourceError, match="2 patients show something") as caught:
        deal_folds(tiles, 3, 0, PATIENTS[:2])
    assert "tiles of more patients" in caught.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        *({"arms": arms} for arms in (("shuffle",), ("baseline",), ("baseline", "baseline"))),
        *({"folds": 2}, {"steps": 0}, {"eps": 0.1}, {"weights": Path("w")}),
    ],
)
def test_a_comparison_checks_itself(tiles: tuple[Tile, ...], tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        wanted(tiles, tmp_path, **changes)


@pytest.fixture(scope="module")
def compared(
    tiles: tuple[Tile, ...], weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Comparing, list[str]]:
    """All arms, with generators that copy."""
    every = wanted(tiles, tmp_path_factory.mktemp("compared"), arms=ARMS, weights=weights, eps=0.05)
    return every, run(every, Listener())


@pytest.mark.e2e
def test_all_arms_are_trained_and_measured_patient_by_patient(compared: tuple[Comparing, list[str]]) -> None:
    every, lines = compared
    found = json.loads((every.out / "compare.json").read_text())
    assert len(found["cells"]) == 3 * len(ARMS)
    assert {name for cell in found["cells"] for name in cell["patients"]} == set(PATIENTS)
    assert set(found["cells"][0]["patients"].popitem()[1]) == {f"{amount:g}" for amount in AMOUNTS}
    assert sum(line.startswith("| ") for line in lines) == 1 + len(ARMS)
    assert found["analysis"]["verdict"][0] in lines
    assert (every.out / "compare.png").stat().st_size > 5000
    assert lines[0] in (every.out / "compare.md").read_text()
    assert not list((every.out / "runs").iterdir())


@pytest.mark.e2e
def test_it_goes_on_with_what_is_missing_and_refuses_another_comparison(
    compared: tuple[Comparing, list[str]], tiles: tuple[Tile, ...]
) -> None:
    every, lines = compared
    log = every.out / "cells.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-2]))
    listener = Listener()
    assert run(every, listener) == lines
    assert f"{3 * len(ARMS) - 2} of {3 * len(ARMS)} cells were run before" in listener.notes
    with pytest.raises(PlanMismatch, match="holds another comparison: steps 1 there, 2 wanted"):
        run(replace(every, steps=2), Listener())
    with pytest.raises(PlanMismatch, match="another comparison: tiles"):
        run(replace(every, tiles=tiles[:-1]), Listener())
    swapped = (replace(tiles[0], patient=tiles[-1].patient), *tiles[1:])
    with pytest.raises(PlanMismatch, match="another comparison: patients"):
        run(replace(every, tiles=swapped), Listener())


@pytest.mark.e2e
def test_the_arm_of_haematoxylin_shows_no_chromogen(compared: tuple[Comparing, list[str]]) -> None:
    every, _ = compared
    plain, changed = (shown_tiles(every, arm) for arm in ("baseline", "haematoxylin"))
    reader = PlaceReader()
    for one, other in zip(plain, changed, strict=True):
        assert (one.key, one.patient, one.mpp) == (other.key, other.patient, other.mpp)
        assert np.array_equal(reader.mask(one.mask), reader.mask(other.mask))
        picture = reader.image(other.images[SOURCE_VARIANT])
        assert concentrations(picture, every.stain)[..., 1].mean() < 0.003


@pytest.mark.e2e
def test_a_patient_who_shows_nothing_is_tested_too(tiles: tuple[Tile, ...], tmp_path: Path) -> None:
    write_tiles(tmp_path, names("empty_", 2), seed=99, patient="healthy", shard="healthy", class_id=0)
    every = wanted((*tiles, *find_tiles([str(tmp_path)])), tmp_path / "out", folds=4)
    run(every, Listener())
    found = json.loads((every.out / "compare.json").read_text())["analysis"]
    assert found["patients_without_foreground"] == ["healthy"]
    assert found["patients"] == list(PATIENTS)


@pytest.mark.parametrize("arm", ["baseline", "haematoxylin"])
def test_the_dose_reaches_what_an_arm_sees(arm: Arm) -> None:
    image = marked_tissue(seed=1)
    pictures = dict(dosed(image, MarkerRule(stain=BUILT_IN["cd68"], threshold=THRESHOLD), arm))
    assert tuple(pictures) == AMOUNTS
    assert (np.array_equal(pictures[1.0], image)) == (arm == "baseline")
    assert not np.array_equal(pictures[0.0], pictures[1.0])
    bare = arm == "haematoxylin"
    assert all((concentrations(each, BUILT_IN["cd68"])[..., 1].mean() < 0.003) == bare for each in pictures.values())


@pytest.mark.e2e
def test_without_generators_their_arms_are_refused(tiles: tuple[Tile, ...], tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        run(wanted(tiles, tmp_path / "out", arms=("baseline", "paper"), weights=tmp_path), Listener())


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.e2e
def test_the_command_takes_patients_from_a_file(tmp_path: Path) -> None:
    for number in range(3):
        write_tiles(tmp_path, names(f"q{number}_", 2), seed=number, shard=f"q{number}")
    size = ["--recipe", "small", "--width", 2, "--depth", 2, "--crop", 32, "--steps", 1, "--variants", 1]
    common = ["--stain", "cd68", "--data", tmp_path, "--out", tmp_path / "out", "--arm", "stain-jitter", *size]
    refused = call(*common)
    assert refused.exit_code == 2
    assert "say no patient" in refused.output
    csv = tmp_path / "patients.csv"
    csv.write_text("file,patient,split\nq0_*,anna,train\nq1_*,berta,train\nq2_*,carl,test\n")
    done = call(*common, "--patients", csv)
    assert done.exit_code == 0, done.output
    assert "| baseline |" in done.output
    folds = json.loads((tmp_path / "out" / "plan.json").read_text())["folds"]
    assert sorted(folds) == [["anna"], ["berta"], ["carl"]]
