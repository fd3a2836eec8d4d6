"""A pair is looked at before a dataset is made with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augengine.dataset import AugmentRequest, augment
from augengine.dataset.pair_check import check_pair
from augengine.dataset.resolve import resolve_pair
from augengine.errors import SpecError
from augengine.measures.pair_verdict import MIN_TILES, PairVerdict
from augengine.runs import read_status
from augengine.weights.home import home
from tests.support.datasets import Listener, digests
from tests.support.pictures import encode, stained, tissue
from tests.support.small_generator import write_small_pair
from tests.support.small_shards import pack

pytestmark = pytest.mark.e2e

SIDE = 96


@pytest.fixture(scope="module")
def random_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    write_small_pair(folder, identity=False)
    return folder


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    folder = tmp_path / "tiles"
    folder.mkdir()
    for i in range(6):
        (folder / f"t{i}.png").write_bytes(encode(stained(SIDE, i)))
    return folder


def asked(source: Path, out: Path, weights: Path | None, **more: Any) -> AugmentRequest:
    values: dict[str, Any] = {"stain": "cd68", "eps": 0.05, "mpp": 0.5, "workers": 1}
    return AugmentRequest(source=str(source), out=out, weights=weights, **{**values, **more})


def summary(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / ".augengine" / "summary.json").read_text())
    return found


def test_a_random_pair_is_refused_and_writes_nothing(random_pair: Path, tiles: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"this pair would spoil the dataset: unstable .* Dice of 0\.\d+") as caught:
        augment(asked(tiles, tmp_path / "out", random_pair), Listener())
    assert "--force" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_verdict_about_its_bound_is_warned_of(
    random_pair: Path, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = PairVerdict(word="hides and responds", reason="a Dice of 0.76", sure=False, tiles=6, marker_px=9999)
    for verdict, warnings in ((unsure, 1), (replace(unsure, sure=True), 0), (replace(unsure, tiles=MIN_TILES - 1), 0)):
        monkeypatch.setattr("augengine.dataset.pair_check.find_verdict", lambda *_, found=verdict: found)
        listener = Listener()
        check_pair(resolve_pair(asked(tiles, tmp_path / "out", random_pair), Listener()), listener)
        assert sum("is it the right stain?" in line for line in listener.warnings) == warnings


def test_force_goes_on_and_the_verdict_stands_in_the_summary(random_pair: Path, tiles: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        augment(asked(tiles, tmp_path / "out", random_pair), Listener())
    listener = Listener()
    made = augment(asked(tiles, tmp_path / "out", random_pair, force=True), listener)
    assert made.complete()
    assert [line for line in listener.warnings if line.startswith("forced, though the pair on this source was found")]
    verdict = summary(tmp_path / "out")["verdict"]
    assert json.loads(json.dumps(made.to_json()))["verdict"] == verdict
    assert f"pair on this source: unstable: {verdict['reason']}" in read_status(tmp_path / "out").lines()
    assert verdict["reason"] in (tmp_path / "out/.augengine/summary.md").read_text()
    assert (verdict["word"], verdict["sure"], len(verdict["keys"])) == ("unstable", True, 6)


def test_a_pair_that_hardly_responds_is_warned_of(copies: Path, tiles: Path, tmp_path: Path) -> None:
    listener = Listener()
    assert augment(asked(tiles, tmp_path / "out", copies), listener).complete()
    (warning,) = [text for text in listener.warnings if "hardly responds" in text]
    assert "train a pair that hides its markers" in warning
    assert any("small markers" in note for note in listener.notes)


def test_tissue_without_markers_is_never_refused(random_pair: Path, tmp_path: Path) -> None:

    (tmp_path / "tiles").mkdir()
    for i in range(3):
        (tmp_path / "tiles" / f"t{i}.png").write_bytes(encode(tissue(SIDE, SIDE, i)))
    assert augment(asked(tmp_path / "tiles", tmp_path / "out", random_pair), Listener()).complete()
    assert summary(tmp_path / "out")["verdict"]["word"] == "cannot be judged"


def test_a_resume_neither_measures_nor_compares(copies: Path, tiles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    augment(asked(tiles, out, copies), Listener())
    first, verdict = digests(out), summary(out)["verdict"]
    for file in (home() / "verdicts").glob("*.json"):
        file.unlink()
    listener = Listener()
    augment(asked(tiles, out, copies), listener)
    assert not any("looking at the pair" in note for note in listener.notes)
    assert digests(out) == first
    assert summary(out)["verdict"] == verdict
    assert not list((home() / "verdicts").glob("*.json"))


def test_a_verdict_is_measured_once_for_a_pair_and_a_source(copies: Path, tiles: Path, tmp_path: Path) -> None:
    looks = []
    for name in ("a", "b"):
        listener = Listener()
        augment(asked(tiles, tmp_path / name, copies), listener)
        looks.append(sum("looking at the pair" in note for note in listener.notes))
    (tiles / "t6.png").write_bytes(encode(stained(SIDE, 6)))
    listener = Listener()
    augment(asked(tiles, tmp_path / "c", copies), listener)
    looks.append(sum("looking at the pair" in note for note in listener.notes))
    assert looks == [1, 0, 1]


def test_few_tiles_with_markers_are_found_among_many_with_specks_wherever_they_lie_in_a_tar(
    copies: Path, tmp_path: Path
) -> None:

    marked = {35, 47, 59}
    pale = np.clip(tissue(SIDE, SIDE, 0), 150, 255).astype(np.uint8)
    samples = [(f"s{i:02d}.png", encode(stained(SIDE, i) if i in marked else pale)) for i in range(60)]
    pack(tmp_path / "s.tar", samples)
    augment(asked(tmp_path / "s.tar", tmp_path / "out", copies), Listener())
    assert {f"s{i}" for i in marked} <= set(summary(tmp_path / "out")["verdict"]["keys"])


def test_the_drawn_tissue_and_its_pair_pass_without_a_warning(tmp_path: Path) -> None:
    listener = Listener()
    augment(AugmentRequest(stain="cd68", eps=0.2, out=tmp_path / "out", limit=1, workers=1), listener)
    assert not listener.warnings
    assert summary(tmp_path / "out")["verdict"]["word"] == "hides and responds"


def test_the_packages_pairs_pass_on_real_tissue_of_their_stains(shared_data: Path, tmp_path: Path) -> None:

    field = np.asarray(Image.open(shared_data / "hannover" / "fields_40x" / "cd34.png").convert("RGB"))
    half = field[: field.shape[0] // 2 * 2, : field.shape[1] // 2 * 2].reshape(
        field.shape[0] // 2, 2, field.shape[1] // 2, 2, 3
    )
    halved = half.mean(axis=(1, 3)).round().astype(np.uint8)
    (tmp_path / "cd34").mkdir()
    for y in range(0, halved.shape[0] - 255, 256):
        for x in range(0, halved.shape[1] - 255, 256):
            (tmp_path / "cd34" / f"y{y}_x{x}.png").write_bytes(encode(halved[y : y + 256, x : x + 256]))
    for stain, source in (("cd68", shared_data / "hannover" / "cd68_glomeruli_20x"), ("cd34", tmp_path / "cd34")):
        listener = Listener()
        augment(asked(source, tmp_path / stain / "out", None, stain=stain, limit=1), listener)
        assert not [text for text in listener.warnings if "pair" in text], stain
