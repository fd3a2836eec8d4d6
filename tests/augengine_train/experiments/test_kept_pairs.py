"""The package's pairs on the strips that no training saw: what their cards say holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from augengine.measures.verdict import Bounds
from augengine.stains import BUILT_IN
from augengine.weights.cards import find_weights
from augengine_train.cyclegan.judge import held_out_judge
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.experiments.package_pairs.plans import open_pair
from augengine_train.experiments.package_pairs.replacing import PACKAGE_WEIGHTS
from augengine_train.validate import Validation, measure

pytestmark = pytest.mark.e2e

LEAST = {"cd68": (30.0, 0.86), "cd34": (25.0, 0.93)}
"""PSNR in dB and marker Dice, a little below what `augengine train weights` found."""


def on_strips(stain: str, data: Path, sigmas: tuple[float, ...]) -> Validation:
    reference, own = open_pair(stain, data / "hannover", data)
    pair = load_pair("pas", stain, PACKAGE_WEIGHTS)
    judge = held_out_judge(reference, own, BUILT_IN[stain])
    return measure(
        pair.to_reference,
        pair.from_reference,
        reference.held_out,
        own.held_out,
        BUILT_IN[stain],
        sigmas=sigmas,
        threshold=judge.threshold,
        tiles=6,
    )


@pytest.mark.parametrize("stain", sorted(LEAST))
def test_a_kept_pair_finds_its_markers_again_and_noise_leaves_the_tissue(stain: str, shared_data: Path) -> None:
    eps = BUILT_IN[stain].recommended_eps
    assert eps is not None
    found = on_strips(stain, shared_data, (eps, 0.2))
    psnr, dice = LEAST[stain]
    assert found.cycle_stain.psnr >= psnr
    assert found.marker_dice is not None
    assert found.marker_dice >= dice
    assert found.checkerboard_db is not None
    assert found.checkerboard_db <= 1
    assert found.structure[0] >= Bounds().structure
    strong = found.agreement[1]
    assert strong is not None
    assert strong <= 0.6


@pytest.mark.parametrize("stain", sorted(LEAST))
def test_its_card_names_the_verdict_and_the_eps_that_is_recommended(stain: str) -> None:
    judged = find_weights("pas", stain, [PACKAGE_WEIGHTS]).judged
    assert judged.startswith("hides and responds")
    assert judged.endswith(f"recommended is {BUILT_IN[stain].recommended_eps:g}")
