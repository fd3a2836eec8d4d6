"""How far a segmenter's masks drift in variants: nowhere if nothing changed, all the way if tissue is gone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from augengine.errors import SourceError
from augengine.shards import ShardWriter
from augengine_train.loop.rhythm import Rhythm
from augengine_train.unet import Cohort, Fit, Rule, StoredVariants, Tile, find_tiles, make_training
from augengine_train.unet.drift import find_drift, main
from augengine_train.unet.fit import measure, open_view
from augengine_train.unet.gate_curve import Look, gate_curve
from tests.support.pictures import Pixels, encode
from tests.support.segmenter_tiles import glomerulus, names, tiny_recipe, write_tiles


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmenter of drawn glomeruli."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("drift")
    write_tiles(folder / "train", names("t", 12), patient="anna")
    write_tiles(folder / "validation", names("v", 4), seed=50, patient="berta")
    cohort = Cohort(train=find_tiles([str(folder / "train")]), validation=find_tiles([str(folder / "validation")]))
    rhythm = Rhythm(log=20, checkpoint=20, validate=20)
    recipe, rule = tiny_recipe(width=8, depth=3), Rule(variants=0, p=0.5, seed=0)
    fit = Fit(cohort=cohort, rule=rule, variants=StoredVariants(), recipe=recipe, out=folder / "run", steps=60)
    make_training(replace(fit, rhythm=rhythm, quiet=True)).train()
    torch.set_num_threads(before)
    return folder / "run"


def write_variants(folder: Path, variants: Mapping[int, Mapping[int, Pixels]]) -> tuple[Tile, ...]:
    """Four drawn tiles, with the given variants of some, by number."""
    write_tiles(folder / "own", names("x", 4), seed=100, patient="carl")
    with ShardWriter(folder / "varied" / "cd68-000000.tar") as writer:
        for tile, made in variants.items():
            for number, image in made.items():
                meta = {"variant": number, "source_key": f"x{tile}", "source": '{"patient": "carl"}'}
                mask = encode(glomerulus(32, 100 + tile)[1])
                members = [("png", encode(image)), ("seg.png", mask), ("json", json.dumps(meta).encode())]
                writer.add(f"x{tile}_v{number}", members)
    return find_tiles([str(folder / "own"), str(folder / "varied")])


def own(tile: int) -> Pixels:
    return glomerulus(32, 100 + tile)[0]


def test_copies_drift_nowhere(trained: Path, tmp_path: Path) -> None:
    tiles = write_variants(tmp_path, {tile: {1: own(tile), 2: own(tile)} for tile in range(4)})
    drift = find_drift(open_view(trained), tiles)
    assert (drift.tiles, drift.variants, drift.lost, drift.agreement.f1) == (4, 8, 0, 1)
    assert drift.own == measure(trained, tiles)
    assert drift.own.pixels.f1 > 0.5


def test_where_the_tissue_is_gone_all_is_lost(trained: Path, tmp_path: Path) -> None:
    white = np.full((32, 32, 3), 255, dtype=np.uint8)
    tiles = write_variants(tmp_path, {tile: {1: white} for tile in range(4)})
    drift = find_drift(open_view(trained), tiles)
    assert drift.lost > 0.4
    assert drift.agreement.f1 < 0.5


def test_tiles_without_variants_are_left_out(trained: Path, tmp_path: Path) -> None:
    tiles = write_variants(tmp_path, {2: {1: own(2)}})
    drift = find_drift(open_view(trained), tiles)
    assert (drift.tiles, drift.variants) == (1, 1)
    assert drift.own == measure(trained, tiles[2:3])
    with pytest.raises(SourceError, match="no tile has a variant"):
        find_drift(open_view(trained), tiles[:2])


def test_the_command_writes_what_it_says(trained: Path, tmp_path: Path) -> None:
    write_variants(tmp_path, {tile: {1: own(tile)[::-1]} for tile in range(4)})
    own_tiles, varied = str(tmp_path / "own"), str(tmp_path / "varied")
    shutil.copytree(varied, copies := str(tmp_path / "again"))
    shards = ["--test", own_tiles, "--variants", varied, "--variants", copies]
    done = CliRunner().invoke(main, ["--out", str(trained), *shards])
    assert done.exit_code == 0, done.output
    drifts = json.loads((trained / "drift.json").read_text())
    assert set(drifts) == {varied, copies}
    assert drifts[varied] == drifts[copies]
    said = drifts[varied]
    assert f"{said['own']['pixels']['f1']:.4f} on 4 tiles" in done.output
    assert said["lost"] == said["own"]["pixels"]["f1"] - said["varied"]["pixels"]["f1"]
    assert f"{varied}:\nF1 by pixel" in done.output
    refused = CliRunner().invoke(main, ["--out", str(trained), "--variants", own_tiles])
    assert (refused.exit_code, "hint: " in refused.output) == (2, True)


def look(ssim: float, lost: float, shown: float = 0.3) -> Look:
    return Look(key="k", variant=1, ssim=ssim, shown=shown, own=0.9, varied=0.9 - lost)


def test_a_gate_that_parts_changed_masks_from_others_has_the_whole_area() -> None:
    curve = gate_curve([look(0.5, 0.2), look(0.6, 0.06), look(0.8, 0.04), look(0.9, 0.0), look(0.1, 0.9, shown=0.0)])
    assert curve is not None
    assert (curve.variants, curve.changed, curve.area) == (4, 0.5, 1.0)
    (gate,) = [gate for gate in curve.gates if gate.least == 0.7]
    assert (gate.left_out, gate.caught, gate.wasted, gate.changed) == (0.5, 1.0, 0.0, 0.0)
    assert (curve.gates[0].left_out, curve.gates[0].changed) == (0.0, 0.5)
    assert (curve.gates[-1].least, curve.gates[-1].left_out) == (0.9, 0.75)


def test_a_similarity_that_says_nothing_has_half_the_area() -> None:
    curve = gate_curve([look(0.7, lost) for lost in (0.0, 0.1, 0.2, 0.01)])
    assert curve is not None
    assert curve.area == 0.5


@pytest.mark.parametrize("lost", [0.0, 0.5])
def test_there_is_no_curve_where_nothing_can_be_parted(lost: float) -> None:
    assert gate_curve([look(0.7, lost), look(0.8, lost)]) is None
    assert gate_curve([]) is None


def test_the_command_draws_the_gates_curve_over_all_variants(trained: Path, tmp_path: Path) -> None:
    white = np.full((32, 32, 3), 255, dtype=np.uint8)
    write_variants(tmp_path, {0: {1: own(0), 2: white}, 1: {1: own(1)}})
    named = ["--test", str(tmp_path / "own"), "--variants", str(tmp_path / "varied"), "--stain", "cd68"]
    done = CliRunner().invoke(main, ["--out", str(trained), *named])
    assert done.exit_code == 0, done.output
    result = json.loads((trained / "gate.json").read_text())
    rows = result["looks"][str(tmp_path / "varied")]
    assert [(row["key"], row["variant"], round(row["ssim"], 3) == 1) for row in rows] == [
        ("x0", 1, True),
        ("x0", 2, False),
        ("x1", 1, True),
    ]
    assert (result["curve"]["variants"], result["curve"]["area"]) == (3, 1.0)
    assert "the mask changed in 33% of 3 variants" in done.output
