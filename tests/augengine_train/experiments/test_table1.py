"""Table 1: its tissue, its arms, and the whole of it at toy size."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augengine.chain.base import Translators
from augengine.draws.noise import draw_sigma
from augengine.errors import PlanMismatch, SourceError, SpecError
from augengine.json_values import from_json, to_json
from augengine.spec import NoiseSpec
from augengine.stains import BUILT_IN
from augengine.weights.cards import find_weights
from augengine_train.experiments.table1.__main__ import describe_tissue, run
from augengine_train.experiments.table1.data import arm_folder, find_cohort, prepare, tissues
from augengine_train.experiments.table1.drawing import draw_phantoms
from augengine_train.experiments.table1.plan import BESIDES, Plan, full, scaled
from augengine_train.phantom.series import DRAWING_VERSION
from augengine_train.unet.arms import draw_control, write_control
from augengine_train.unet.online import open_translators
from augengine_train.unet.tiles import find_tiles
from augengine_train.unet.variants import OnlineVariants, StoredVariants
from tests.support.places import ROOT
from tests.support.segmenter_tiles import tiny_recipe, write_tiles
from tests.support.small_generator import write_small_pair
from tests.support.table1_toy import draw, toy

CD68 = BUILT_IN["cd68"]
NOISE = NoiseSpec(eps=0.3, seed=2)


@pytest.mark.e2e
def test_the_whole_experiment_runs_and_goes_on(tmp_path: Path) -> None:
    plan, weights = toy(stains=("cd68",), fractions=(100,), mpp=4.0, tiles=5), tmp_path / "weights"
    for stain in plan.stains:
        write_small_pair(weights, stain=stain, mpp=4.0)
    lines = run(plan, tmp_path / "data", tmp_path / "out", weights, 1, draw_phantoms)
    said = json.loads((tmp_path / "out" / "table1.json").read_text())
    assert len(said["cells"]) == 2 * 5 * 2
    assert said["generators"] == {"cd68": find_weights("pas", "cd68", [weights]).digests}
    assert said["plan"]["precision"] == "float32"
    for part, density in (("test", 1.0), ("same/train", 1.0), ("shift/train", 4.0), ("shift/validation", 4.0)):
        drawn = json.loads((tmp_path / "data/cd68/repeat-0" / part / ".augengine/phantom.json").read_text())
        assert drawn["correlations"] == [{"glomeruli": density, "sclerotic": density}]
    claimed = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert claimed["drawing"] == said["drawing"] == DRAWING_VERSION
    assert from_json(Plan, {name: value for name, value in claimed.items() if name not in BESIDES}) == plan
    augmented = json.loads((tmp_path / "out/arms/cd68/repeat-0/shift/paper/.augengine/plan.json").read_text())
    assert '"precision": "float32"' in json.dumps(augmented)
    assert '"chain": "plain"' in json.dumps(augmented)
    assert said["analysis"]["primary"]["units"] == 2
    assert any(line.startswith("Primary: paper - baseline, shift") for line in lines)
    assert (tmp_path / "out" / "table1.png").read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "out" / "runs").glob("*"))
    cells = tmp_path / "out" / "cells.jsonl"
    before = cells.read_text().splitlines(keepends=True)
    cells.write_text("".join(before[:-1]))  # as a kill before the last cell leaves it
    assert run(plan, tmp_path / "data", tmp_path / "out", weights, 1, draw_phantoms) == lines
    assert cells.read_text().splitlines(keepends=True) == before
    for other in (replace(plan, steps=2), replace(plan, precision="bfloat16")):
        with pytest.raises(PlanMismatch, match=r"holds another experiment: (steps 1|precision float32) there"):
            run(other, tmp_path / "data", tmp_path / "out", weights, 1, draw_phantoms)
    write_small_pair(weights, seed=9, mpp=4.0)
    with pytest.raises(PlanMismatch, match="holds another experiment: generators"):
        run(plan, tmp_path / "data", tmp_path / "out", weights, 1, draw_phantoms)


@pytest.fixture(scope="module")
def translators(small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tile")
    write_tiles(folder, ["t"], patient="anna")
    tiles = find_tiles([str(folder)])
    engines = open_translators(CD68, tiles, small_weights)
    yield tiles[0], engines
    engines.close()


@pytest.mark.e2e
def test_each_control_is_what_its_name_says(translators: tuple[Any, Translators], tmp_path: Path) -> None:
    tile, engines = translators
    source = StoredVariants().image(tile, 0).astype(float)
    drawn = {
        (control, variant): draw_control(control, tile, variant, stain=CD68, noise=NOISE, translators=engines)
        for control in ("reconstruction", "input-noise", "input-noise-cycled", "stain-jitter")
        for variant in (1, 2)
    }
    assert np.array_equal(drawn["reconstruction", 1], drawn["reconstruction", 2])
    for control in ("input-noise", "input-noise-cycled", "stain-jitter"):
        assert not np.array_equal(drawn[control, 1], drawn[control, 2])
    # The paper's own variant with next to no noise is the reconstruction.
    faint = OnlineVariants(engines, NoiseSpec(eps=1e-9, seed=2)).image(tile, 1)
    assert np.abs(faint.astype(int) - drawn["reconstruction", 1]).max() <= 1
    inner = (source > 60) & (source < 195)  # where noise is not clipped
    for variant in (1, 2):
        sigma = draw_sigma(NOISE.eps, NOISE.seed, tile.key, variant)
        added = (drawn["input-noise", variant] - source)[inner] / 127.5
        assert added.std() == pytest.approx(sigma, rel=0.1)
    write_control("input-noise", [tile], tmp_path / "c.tar", stain=CD68, noise=NOISE, variants=2)
    write_control("input-noise", [tile], tmp_path / "d.tar", stain=CD68, noise=NOISE, variants=2)
    assert (tmp_path / "c.tar").read_bytes() == (tmp_path / "d.tar").read_bytes()
    (read,) = find_tiles([str(tmp_path / "c.tar"), tile.images[0].file])
    assert np.array_equal(StoredVariants().image(read, 2), drawn["input-noise", 2])
    assert (read.variants, read.patient) == (2, "anna")
    with pytest.raises(SpecError, match="needs generators"):
        write_control("reconstruction", [tile], tmp_path / "e.tar", stain=CD68, noise=NOISE, variants=1)
    assert not (tmp_path / "e.tar").exists()


def test_tissue_is_planned_without_a_shared_patient() -> None:
    plan = scaled()
    for tissue in tissues(plan):
        assert (tissue.world is None) == (tissue.split == "test")
        assert (tissue.correlation > 1) == (tissue.world == "shift")
    people = [
        (t.stain, t.repeat, t.split, range(t.first_patient, t.first_patient + t.patients))
        for t in tissues(plan)
        if t.world != "same"
    ]
    for one, other in itertools.combinations(people, 2):
        assert not set(one[3]) & set(other[3]), (one, other)


def test_both_worlds_have_the_same_people_and_another_tissue() -> None:
    by_world = {(t.world, t.stain, t.repeat, t.split): t for t in tissues(scaled())}
    for (world, *rest), tissue in by_world.items():
        if world == "shift":
            assert by_world["same", *rest] == replace(tissue, world="same", correlation=1.0)  # type: ignore[index]


def test_smaller_fractions_are_within_larger_ones(tmp_path: Path) -> None:
    plan = toy(train_patients=6, fractions=(10, 30, 60, 100))
    prepare(plan, tmp_path, draw, lambda _: None)
    cells = [
        c for c in plan.cells() if (c["world"], c["stain"], c["repeat"], c["arm"]) == ("same", "cd34", 1, "baseline")
    ]
    trained = [{tile.patient for tile in find_cohort(plan, cell, tmp_path, tmp_path).train} for cell in cells]
    assert [len(patients) for patients in trained] == [1, 2, 4, 6]
    assert all(small < large for small, large in itertools.pairwise(trained))


def test_missing_or_other_tissue_is_named(tmp_path: Path) -> None:
    plan = toy()
    with pytest.raises(SourceError, match=r"there are no source shards in .*cd68/repeat-0/test"):
        prepare(plan, tmp_path, None, lambda _: None)
    prepare(plan, tmp_path, draw, lambda _: None)
    prepare(plan, tmp_path, None, lambda _: None)
    with pytest.raises(SourceError, match="holds 1 tiles of 1 patients, the plan wants 2 of 1"):
        prepare(replace(plan, tiles=2), tmp_path, None, lambda _: None)
    bare = tmp_path / "cd34/repeat-1/same/validation"
    (shard,) = bare.glob("*.tar")
    (tile,) = find_tiles([str(bare)])
    write_tiles(bare, [tile.key], patient=tile.patient, class_id=0, shard=shard.stem)
    with pytest.raises(SourceError, match=r"cd34/repeat-1/same/validation: no validation mask") as caught:
        prepare(plan, tmp_path, None, lambda _: None)
    assert "--seed" in caught.value.hint
    wanted = [json.loads(line) for line in describe_tissue(plan, tmp_path)]
    assert {Path(each["folder"]) for each in wanted} == {path.parent for path in tmp_path.rglob("*.tar")}


@pytest.mark.parametrize("plan", [scaled(), full(), toy(seed=3)])
def test_a_plan_survives_json(plan: Plan) -> None:
    assert from_json(Plan, json.loads(json.dumps(to_json(plan)))) == plan
    with pytest.raises(SpecError):
        from_json(Plan, {"steps": 3})


@pytest.mark.parametrize(
    "changes", [{"repeats": 1}, {"fractions": (0,)}, {"arms": ("paper",)}, {"recipe": tiny_recipe(stain_jitter=True)}]
)
def test_plans_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        toy(**changes)


def test_the_plans_are_as_the_page_says() -> None:
    page = (ROOT / "docs" / "notes/table1.md").read_text()
    for plan, name in ((scaled(), "scaled"), (full(), "full")):
        cells = sum(1 for _ in plan.cells())
        row = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
        recipe = f"{plan.recipe.padding}, {plan.recipe.width} filters, depth {plan.recipe.depth}"
        for said in (recipe, f"{plan.recipe.crop} px", f"{plan.steps}", f"{plan.repeats}", f"{cells}"):
            assert f" {said} |" in row, (said, row)


def test_an_arms_folder_is_its_own() -> None:
    folders = {arm_folder(cell, Path("o")) for cell in scaled().cells()}
    assert len(folders) == 2 * 2 * 3 * 5
