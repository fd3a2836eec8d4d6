"""A pair judged on tiles: known pairs get the verdict that they deserve, and only sure ones refuse."""

from __future__ import annotations

import numpy as np
import pytest

from augengine.chain.translate import normalise
from augengine.json_values import from_json, to_json
from augengine.measures import run_cycles
from augengine.measures.pair_verdict import PairVerdict, judge_pair
from augengine.measures.tile_numbers import number_tiles
from augengine.measures.verdict import DEFAULT_RULE
from augengine.pictures.arrays import RgbImage
from tests.support.known_pairs import RULE, KnownPair, copying, forgetting, hiding, squeezing
from tests.support.pictures import stained

TILES = [stained(seed=i) for i in range(6)]


def judged(pair: KnownPair, tiles: list[RgbImage] = TILES) -> PairVerdict:
    inputs = list(normalise(tiles))
    cycles = run_cycles([f"tile-{i}" for i in range(len(tiles))], inputs, pair.to_reference, pair.from_reference)
    return judge_pair(number_tiles(tiles, cycles, pair.from_reference, RULE, DEFAULT_RULE, sigmas=(0.1,)))


def test_known_pairs_get_their_verdicts() -> None:
    assert judged(hiding()).word == "hides and responds"
    assert judged(copying()).word == "hardly responds"
    assert judged(forgetting()).word == "unstable"
    assert judged(squeezing()).word == "unstable"


def test_only_a_sure_verdict_against_a_pair_refuses_it() -> None:
    assert judged(forgetting()).refuses
    assert not judged(hiding()).refuses
    assert not judged(copying()).refuses


def test_a_pair_that_fails_on_some_tiles_alone_is_not_refused() -> None:
    good, bad = hiding(), forgetting()
    fails = {id_: id_ >= 4 for id_ in range(6)}

    def back(images: list[np.ndarray]) -> list[np.ndarray]:
        own = zip(good.from_reference(images), bad.from_reference(images), strict=True)
        return [b if fails[i] else a for i, (a, b) in enumerate(own)]

    found = judged(KnownPair(good.to_reference, back))  # type: ignore[arg-type]
    assert found.word == "unstable"
    assert not found.sure
    assert not found.refuses
    assert found.dice_interval is not None
    assert found.dice_interval[0] < DEFAULT_RULE.least_dice < found.dice_interval[1]


def test_one_or_two_tiles_refuse_nothing() -> None:
    for count in (1, 2):
        found = judged(forgetting(), TILES[:count])
        assert (found.word, found.sure, found.refuses) == ("unstable", False, False)


def test_tissue_without_markers_is_never_judged() -> None:
    pale = [np.full((64, 64, 3), 230, np.uint8) for _ in range(4)]
    for pair in (hiding(), forgetting()):
        found = judged(pair, pale)
        assert found.word == "cannot be judged"
        assert not found.refuses
        assert "0 marker pixels" in found.sentence()


def test_what_noise_moves_is_said_in_objects() -> None:
    found = judged(hiding())
    shares = {sigma: share for sigma, share, _ in found.moved}
    assert set(shares) == {0.05, 0.1, 0.2}
    assert shares[0.05] <= shares[0.2]
    assert "small markers" in found.moves(0.05)
    still = PairVerdict(
        word="hides and responds",
        reason="",
        sure=True,
        tiles=3,
        marker_px=900,
        moved=((0.05, 0.05, 112), (0.2, 0.4, 112)),
    )
    assert still.moves(0.05).endswith(
        "moves 5% of 112 small markers; at 0.2 it moves 40%; augengine probe says whether the tissue bears as much"
    )
    assert still.moves(0.2).endswith("moves 40% of 112 small markers")


@pytest.mark.parametrize("pair", [hiding(), forgetting()], ids=["hiding", "forgetting"])
def test_a_judgement_survives_its_json(pair: KnownPair) -> None:
    import json

    found = judged(pair)
    assert from_json(PairVerdict, json.loads(json.dumps(to_json(found)))) == found
