"""What each arm's variants leave of markers in glomeruli, counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from augengine.digests import canonical_json
from augengine.json_values import to_json
from augengine.pictures.encode import encode_image, encode_mask
from augengine.sample import variant_key
from augengine.shards import ShardWriter, members_of
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.folder_claim import claim
from augengine_train.experiments.table1.data import arm_folder, prepare, train_folder
from augengine_train.experiments.table1.drawing import draw_phantoms
from augengine_train.experiments.table1.gathering import count, main
from augengine_train.experiments.table1.plan import Plan
from augengine_train.unet.tiles import find_tiles
from tests.support.table1_toy import toy


def test_shares_and_what_is_kept_are_counted_by_part() -> None:
    glomeruli = np.array([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]], bool)
    source = np.array([[1, 1, 0, 0, 1, 0, 0, 0, 0, 0]], bool)
    moved = np.array([[1, 0, 0, 0, 1, 1, 1, 0, 0, 0]], bool)
    found = count([(source, moved, glomeruli), (source, source, glomeruli)])
    assert found.to_json() == {
        "inside": 3 / 8,
        "outside": 0.3333,
        "ratio": 1.125,
        "kept_inside": 0.75,
        "kept_outside": 1.0,
    }


def test_what_is_nowhere_is_no_number() -> None:
    nothing, half = np.zeros((1, 4), bool), np.array([[1, 1, 0, 0]], bool)
    found = count([(nothing, nothing, half)]).to_json()
    assert found == {"inside": 0, "outside": 0, "ratio": None, "kept_inside": None, "kept_outside": None}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """Phantoms whose only variants, the paper's, have lost every marker within glomeruli."""
    out = tmp_path_factory.mktemp("experiment")
    plan = toy(stains=("cd34",), worlds=("shift",), arms=("baseline", "paper"), side=128, mpp=1.0, tiles=4)
    prepare(plan, out / "data", draw_phantoms, lambda _: None)
    claim({**to_json(plan), "generators": {}, "drawing": 0}, out / "plan.json", "experiment")
    for cell in plan.cells():
        erase(train_folder(cell, out / "data"), arm_folder({**cell, "arm": "paper"}, out) / "cd34-000000.tar")
    return plan, out


def erase(source: Path, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    reader = PlaceReader()
    with ShardWriter(file) as writer:
        for tile in find_tiles([str(source)]):
            picture, mask = reader.image(tile.images[0]).copy(), reader.mask(tile.mask)
            picture[mask == 1] = 245
            meta = canonical_json(
                {"source_key": tile.key, "variant": 1, "source": json.dumps({"patient": tile.patient})}
            )
            members = members_of(encode_image(picture, "png"), "png", mask=encode_mask(mask), json=meta, extras={})
            writer.add(variant_key(tile.key, 1), members)


def test_erased_markers_are_missed_where_they_were_erased(experiment: tuple[Plan, Path]) -> None:
    _, out = experiment
    done = CliRunner().invoke(main, ["--data", str(out / "data"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    arms = json.loads((out / "gathering.json").read_text())["gathering"]["shift"]["cd34"]
    assert arms["baseline"]["ratio"] > 1.5  # the trap: four times as many markers a mm2
    assert (arms["baseline"]["kept_inside"], arms["baseline"]["kept_outside"]) == (1, 1)
    for name in ("inside", "kept_inside"):  # a marker at the rim is smoothed over it
        assert arms["paper"][name] == pytest.approx(0, abs=0.005)
    assert arms["paper"]["outside"] == pytest.approx(arms["baseline"]["outside"], rel=0.02)
    assert [line.count("|") for line in done.output.splitlines()] == [9] * 4


def test_without_an_experiment_there_is_a_hint(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--out", str(tmp_path)])
    assert done.exit_code != 0
    assert "augengine train table1" in done.output
