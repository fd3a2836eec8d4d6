"""`augengine import` tells the two directions of a pair apart, and holds both to one scale."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from augengine.errors import WeightsError
from augengine.importing import CycleErrors
from augengine.weights.cards import DIRECTIONS, find_weights
from augengine.weights.home import SAMPLE_WEIGHTS
from tests.support.imports import bring_in, call_import, files_below, refused
from tests.support.learnt_pair import Pair
from tests.support.learnt_pair import onnx_pair as onnx_pair
from tests.support.learnt_pair import pair as pair
from tests.support.learnt_pair import tiles as tiles
from tests.support.places import ROOT
from tests.support.small_generator import small_generator

pytestmark = pytest.mark.e2e


def test_exchanged_directions_are_refused_and_change_nothing(onnx_pair: Pair, tiles: Path, tmp_path: Path) -> None:
    bring_in(onnx_pair["from-reference"], tmp_path, "to-reference")
    before = files_below(tmp_path)
    wrong = onnx_pair["to-reference"], tmp_path
    refused(call_import(*wrong, "from-reference", "--tiles", tiles), "look exchanged")
    assert files_below(tmp_path) == before
    forced = call_import(*wrong, "from-reference", "--tiles", tiles, "--force")
    assert forced.exit_code == 0
    assert "warning: the two generators look exchanged" in forced.stderr


def test_exchanged_directions_are_put_right_as_the_hint_says(onnx_pair: Pair, tiles: Path, tmp_path: Path) -> None:
    bring_in(onnx_pair["from-reference"], tmp_path, "to-reference")
    bring_in(onnx_pair["to-reference"], tmp_path, "to-reference", force=True)
    last = bring_in(onnx_pair["from-reference"], tmp_path, "from-reference", tiles=str(tiles))
    assert last.cycle is not None
    assert (last.cycle.verdict, last.cycle.surrogate) == ("as stated", False)


def test_the_same_generator_for_both_directions_is_refused(onnx_pair: Pair, tmp_path: Path) -> None:
    bring_in(onnx_pair["to-reference"], tmp_path)
    refused(call_import(onnx_pair["to-reference"], tmp_path, "from-reference"), "holds already")
    assert bring_in(onnx_pair["to-reference"], tmp_path, "from-reference", force=True).cycle is not None


def test_a_pair_that_the_tiles_do_not_tell_apart_is_said_to_be_so(tmp_path: Path) -> None:
    for seed, direction in enumerate(DIRECTIONS):
        onnx.save(small_generator(seed), tmp_path / "G.onnx")
        last = bring_in(tmp_path / "G.onnx", tmp_path / "weights", direction)
    assert last.cycle is not None
    assert (last.cycle.verdict, last.cycle.surrogate) == ("unclear", True)
    assert any("--tiles" in warning for warning in last.warnings)


def test_without_tiles_the_sample_set_tells_its_own_generators_apart(tmp_path: Path) -> None:
    pair = find_weights("pas", "cd68", [SAMPLE_WEIGHTS])
    bring_in(pair.from_reference, tmp_path, "from-reference")
    last = bring_in(pair.to_reference, tmp_path)
    assert last.cycle is not None
    assert (last.cycle.verdict, last.cycle.surrogate) == ("as stated", True)
    assert last.card.parity.max == 0


@pytest.mark.parametrize(
    ("stated", "exchanged", "verdict"),
    [(0.1, 0.2, "as stated"), (0.2, 0.1, "exchanged"), (0.10, 0.11, "unclear"), (0.11, 0.10, "unclear")],
)
def test_one_cycle_error_must_be_clearly_smaller(stated: float, exchanged: float, verdict: str) -> None:
    assert CycleErrors(stated=stated, exchanged=exchanged, surrogate=False).verdict == verdict


def test_real_tiles_tell_the_committed_generators_apart(shared_data: Path, tmp_path: Path) -> None:
    tiles = str(shared_data / "hannover" / "cd68_glomeruli_20x")
    weights = ROOT / "augengine" / "weights" / "pas-cd68"
    for direction in DIRECTIONS:
        last = bring_in(weights / f"{direction}.onnx", tmp_path / "right", direction, tiles=tiles)
    assert last.cycle is not None
    assert (last.cycle.verdict, last.cycle.surrogate) == ("as stated", False)
    bring_in(weights / "from-reference.onnx", tmp_path / "wrong", "to-reference", tiles=tiles)
    with pytest.raises(WeightsError, match="exchanged"):
        bring_in(weights / "to-reference.onnx", tmp_path / "wrong", "from-reference", tiles=tiles)


def test_a_reading_that_cycles_better_is_as_loud_as_an_exchange(pair: Pair, tiles: Path, tmp_path: Path) -> None:
    bring_in(pair["to-reference"], tmp_path)
    before = files_below(tmp_path)
    wrong = pair["from-reference"], tmp_path
    refused(call_import(*wrong, "from-reference", "--tiles", tiles), "read wrongly", "with --recipe icube")
    assert files_below(tmp_path) == before
    forced = call_import(*wrong, "from-reference", "--tiles", tiles, "--force")
    assert forced.exit_code == 0
    assert "warning: with --recipe icube" in forced.stderr
    assert "no ReLU after each addition (--recipe)" in forced.stderr


def test_both_directions_have_one_scale(onnx_pair: Pair, tmp_path: Path) -> None:
    bring_in(onnx_pair["to-reference"], tmp_path, mpp=0.25)
    refused(
        call_import(onnx_pair["from-reference"], tmp_path, "from-reference", "--mpp", 0.5), "0.25 um/px, this one 0.5"
    )
    assert bring_in(onnx_pair["from-reference"], tmp_path, "from-reference", mpp=None, force=True).card.mpp == 0.25
    assert find_weights("pas", "cd68", [tmp_path]).mpp == 0.25
