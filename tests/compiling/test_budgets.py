"""Which precision a run gets: budgets measured on real tiles, reused, replaced, and done without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augengine.compiling import Tiles, build_pairs, build_stains, choose_pair
from augengine.engines.backends import pick_backend
from augengine.engines.store import EngineStore
from augengine.errors import SpecError
from augengine.sources import SampleSet, open_source
from augengine.stains import find_stain
from augengine.weights.cards import WeightsPair, find_weights
from tests.support.pictures import encode, tissue, write_folder
from tests.support.small_shards import pack

pytestmark = pytest.mark.e2e

BACKEND = pick_backend("openvino")
needs_bfloat16 = pytest.mark.skipif(
    "bfloat16" not in BACKEND.precisions(), reason="this CPU computes no bfloat16 natively"
)


@pytest.fixture
def pair(small_weights: Path) -> WeightsPair:
    return find_weights("pas", "cd68", [small_weights])


def _tiles(folder: Path, *, bad: tuple[int, ...] = ()) -> Tiles:
    names = [f"t{i}" for i in range(6)]
    write_folder(folder, names, height=64, width=64)
    for i in bad:
        (folder / f"t{i}.png").write_bytes(b"no picture")
    source = open_source(str(folder), stain="cd68")
    return Tiles(source=source, listing=source.scan(), stain=find_stain("cd68"))


def _sample_tiles() -> Tiles:
    source = SampleSet()
    return Tiles(source=source, listing=source.scan(), stain=find_stain("cd68"))


def test_tiles_are_taken_past_those_that_cannot_be_read(tmp_path: Path) -> None:
    tiles = _tiles(tmp_path, bad=(0, 3)).take(2, 64, 64)
    assert tiles is not None
    assert tiles.shape == (2, 3, 64, 64)


def test_tiles_are_taken_of_a_tar_whose_members_lie_apart(tmp_path: Path) -> None:
    pictures = [(f"k{i}.png", encode(tissue(64, 64, seed=i))) for i in range(3)]
    file = pack(tmp_path / "a.tar", [*pictures, *((f"k{i}.json", b"{}") for i in range(3))])
    source = open_source(str(file), stain="cd68")
    tiles = Tiles(source=source, listing=source.scan(), stain=find_stain("cd68")).take(3, 64, 64)
    assert tiles is not None
    assert tiles.shape == (3, 3, 64, 64)


def test_the_sample_sets_tiles_are_surrogates_but_for_their_own_pair() -> None:
    assert _sample_tiles().surrogate
    assert not replace(_sample_tiles(), known=True).surrogate


def test_the_sample_sets_tiles_take_the_colours_of_another_stain() -> None:
    source, red = SampleSet(), find_stain("cd34")
    own, other = (
        Tiles(source=source, listing=source.scan(), stain=s).take(1, 64, 64) for s in (find_stain("cd68"), red)
    )
    assert own is not None
    assert other is not None
    assert np.abs(own - other).max() > 0.2


@needs_bfloat16
def test_real_tiles_replace_a_budget_of_recoloured_ones_and_not_the_reverse(pair: WeightsPair, tmp_path: Path) -> None:
    store, real = EngineStore(tmp_path / "engines"), _tiles(tmp_path / "in")
    seen = []
    for tiles in (_sample_tiles(), real, _sample_tiles()):
        pairs = build_pairs(pair, BACKEND, store, height=64, width=64, tiles=tiles)
        seen += [p.budget for p in pairs if p.budget is not None]
    assert [budget.surrogate for budget in seen] == [True, False, False]
    assert seen[2] == seen[1]


@needs_bfloat16
def test_a_stored_budget_is_not_measured_again(pair: WeightsPair, tmp_path: Path) -> None:
    store, tiles = EngineStore(tmp_path / "engines"), _tiles(tmp_path / "in")
    notes: list[list[str]] = [[], []]
    for said in notes:
        build_pairs(pair, BACKEND, store, height=64, width=64, tiles=tiles, on_note=said.append)
    assert any("measuring" in note for note in notes[0])
    assert notes[1] == []


def test_without_a_readable_tile_float32_runs(pair: WeightsPair, tmp_path: Path) -> None:
    tiles = _tiles(tmp_path / "in", bad=tuple(range(6)))
    pairs = build_pairs(pair, BACKEND, EngineStore(tmp_path / "engines"), height=64, width=64, tiles=tiles)
    assert choose_pair(pairs, eps=0.3).precision == "float32"
    for wanted in BACKEND.precisions():  # unmeasured, yet asked for
        assert choose_pair(pairs, eps=0.3, precision=wanted).precision == wanted


def test_a_precision_that_is_asked_for_is_taken(pair: WeightsPair, tmp_path: Path) -> None:
    store, tiles = EngineStore(tmp_path / "engines"), _tiles(tmp_path / "in")
    pairs = build_pairs(pair, BACKEND, store, height=64, width=64, tiles=tiles)
    for wanted in (p.precision for p in pairs):
        chosen = choose_pair(pairs, eps=1e-6, precision=wanted)
        assert (chosen.precision, "asked for" in chosen.why) == (wanted, True)
    with pytest.raises(SpecError, match="float16 does not run here"):
        choose_pair(pairs, eps=0.05, precision="float16")


def test_a_tiny_eps_gets_float32(pair: WeightsPair, tmp_path: Path) -> None:
    store, tiles = EngineStore(tmp_path / "engines"), _tiles(tmp_path / "in")
    pairs = build_pairs(pair, BACKEND, store, height=64, width=64, tiles=tiles)
    assert choose_pair(pairs, eps=1e-6).precision == "float32"


def test_tiles_of_one_stain_do_not_judge_all(small_weights: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "in", ["a"])
    with pytest.raises(SpecError, match="the tiles are of one stain"):
        build_stains(None, weights=small_weights, tiles=str(tmp_path / "in"), backend="openvino", size=64)
    built = build_stains("cd68", weights=small_weights, tiles=str(tmp_path / "in"), backend="openvino", size=64)
    assert {pair.weights.stain for pair in built} == {"cd68"}
