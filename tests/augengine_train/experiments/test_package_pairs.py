"""The command behind `make weights`, at toy size: trains, compares, and replaces only what is better and fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from augengine.errors import WeightsError
from augengine.measures.objects import MarkerObjects
from augengine.measures.pair_verdict import PairVerdict, Word
from augengine.pictures.encode import encode_image
from augengine.stains import BUILT_IN
from augengine.weights.cards import DIRECTIONS, find_weights, list_weights
from augengine_train.cyclegan.fit import Effort
from augengine_train.cyclegan.judge import score
from augengine_train.cyclegan.schedule import Schedule
from augengine_train.data.matched_tiles import SIDE
from augengine_train.experiments.package_pairs.__main__ import main
from augengine_train.experiments.package_pairs.judgement import is_better, table
from augengine_train.experiments.package_pairs.plans import LIMITS, NO_GLOMERULUS
from augengine_train.experiments.package_pairs.recommended import recommend
from augengine_train.experiments.package_pairs.replacing import MAX_BYTES, PACKAGE_WEIGHTS, replace_pairs
from augengine_train.experiments.package_pairs.trial import Trial
from augengine_train.phantom import FieldSpec, draw_field
from augengine_train.validate import CycleError, Validation
from tests.support.pictures import tissue
from tests.support.small_generator import write_small_pair

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fields as the real set has them: 0.25 um/px, to be halved; the strip is 36 px then."""
    folder = tmp_path_factory.mktemp("hannover")
    (folder / "fields_40x").mkdir()
    for seed, name in enumerate(("pas", "cd34")):
        field = tissue(360, 360, seed=seed)
        field[seed::90, ::7] = np.array([250, 200, 220]) * np.exp(-np.array(BUILT_IN["cd34"].chromogen))
        (folder / "fields_40x" / f"{name}.png").write_bytes(encode_image(field, "png"))
    return folder


def train(data: Path, out: Path, weights: Path, *more: str) -> Result:
    size = ("--steps=2", "--width=4", "--blocks=1", "--crop=32", "--stain=cd34")
    return CliRunner().invoke(main, [f"--data={data}", f"--out={out}", f"--weights={weights}", *size, *more])


def validation(dice: float, error: float) -> Validation:
    cycle = CycleError(l1=error, rms=error)
    return Validation(
        stain="cd34",
        reference="pas",
        reference_tiles=1,
        stain_tiles=1,
        cycle_reference=cycle,
        cycle_stain=cycle,
        marker_threshold=0.05,
        marker_dice=dice,
        marker_area=0.1,
        marker_area_cycled=0.1,
        marker_area_translated=0.1,
        contrast_real=80,
        contrast_hidden=5,
        rim=1.0,
        sigmas=(0.05,),
        response=(0.01,),
        agreement=(0.9,),
        faithful=(0.8,),
        area=(0.1,),
        objects=(MarkerObjects(kept=7, lost=3, new=1),),
        structure=(0.97,),
    )


def test_it_trains_measures_and_leaves_what_is_not_better(data: Path, tmp_path: Path) -> None:
    write_small_pair(tmp_path / "weights", stain="cd34")
    before = find_weights("pas", "cd34", [tmp_path / "weights"]).digests
    done = train(data, tmp_path / "runs", tmp_path / "weights", "--replace")
    assert done.exit_code == 0, done.output
    assert "pas-cd34, held-out strips" in done.output
    assert "better than what is committed: none" in done.output
    assert find_weights("pas", "cd34", [tmp_path / "weights"]).digests == before
    made = find_weights("pas", "cd34", [tmp_path / "runs" / "cd34" / "weights"])
    assert {made.cards[direction].limits for direction in DIRECTIONS} == {f"{LIMITS}; {NO_GLOMERULUS}"}
    (judged,) = {made.cards[direction].judged for direction in DIRECTIONS}
    verdict, _, eps = judged.partition("; eps: the tissue bears ")
    assert f"verdict: {verdict}\n" in done.output
    assert f"eps: the tissue bears {eps}\n" in done.output
    assert made.mpp == 0.5
    again = train(data, tmp_path / "runs", tmp_path / "weights", "--resume")
    assert again.exit_code == 0, again.output
    assert find_weights("pas", "cd34", [tmp_path / "runs" / "cd34" / "weights"]).digests == made.digests


def test_more_pictures_of_pas_are_matched_and_trained_on(data: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        picture = draw_field(FieldSpec(stain="pas", side=SIDE, anatomy_seed=1, marker_seed=1)).image
        (tmp_path / "pas" / "images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "pas" / "images" / f"{name}.png").write_bytes(encode_image(picture, "png"))
    more = (f"--pas={tmp_path / 'pas'}", "--leave-out=two", "--upsampling=nearest")
    done = train(data, tmp_path / "runs", tmp_path / "weights", *more)
    assert done.exit_code == 0, done.output
    pictures = sorted(file.name for file in (tmp_path / "runs" / "data" / "pas").glob("*.png"))
    assert pictures == ["field.png", "one_y0000_x0000.png"]
    card = find_weights("pas", "cd34", [tmp_path / "runs" / "cd34" / "weights"]).cards["to-reference"]
    assert card.recipe["upsampling"] == "nearest"
    assert "pas without two" in card.training
    assert card.limits == LIMITS


def test_what_is_replaced_is_found_as_a_pair(tmp_path: Path) -> None:
    write_small_pair(tmp_path / "weights", stain="cd34", seed=0)
    write_small_pair(tmp_path / "runs" / "cd34" / "weights", stain="cd34", seed=5)
    replace_pairs(["cd34"], tmp_path / "runs", tmp_path / "weights")
    new = find_weights("pas", "cd34", [tmp_path / "runs" / "cd34" / "weights"])
    assert find_weights("pas", "cd34", [tmp_path / "weights"]).digests == new.digests


def test_weights_too_large_for_the_package_are_not_copied(tmp_path: Path) -> None:
    write_small_pair(tmp_path / "weights", stain="cd34")
    before = find_weights("pas", "cd34", [tmp_path / "weights"]).digests
    pair = write_small_pair(tmp_path / "runs" / "cd34" / "weights", stain="cd34", seed=5)
    with (pair / "to-reference.onnx").open("ab") as file:
        file.truncate(MAX_BYTES)
    with pytest.raises(WeightsError, match=r"would be 24.* MB, the package holds 24"):
        replace_pairs(["cd34"], tmp_path / "runs", tmp_path / "weights")
    assert find_weights("pas", "cd34", [tmp_path / "weights"]).digests == before


def test_better_is_a_lower_score_with_markers_found() -> None:
    good = validation(dice=0.9, error=0.1)
    assert is_better(good, None)
    assert is_better(good, validation(dice=0.8, error=0.1))
    assert is_better(good, validation(dice=0.9, error=0.15))
    assert not is_better(good, good)
    assert not is_better(validation(dice=0.7, error=0.01), validation(dice=0.6, error=0.3))
    assert not is_better(replace(good, marker_dice=None), None)
    assert score(good) == pytest.approx(0.25 + 0.25 * 0.9)


@pytest.mark.parametrize(("word", "replaces"), [("hides and responds", True), ("unstable", False)])
def test_an_unstable_pair_replaces_nothing_whatever_its_score(word: Word, replaces: bool) -> None:
    verdict = PairVerdict(word=word, reason="so", sure=False, tiles=4, marker_px=1000)
    new = validation(dice=0.9, error=0.1)
    assert Trial(new=new, old=None, verdict=verdict, recommended=recommend(new)).may_replace is replaces


@pytest.mark.parametrize(
    ("sigmas", "agreement", "cost"),
    [((0.05, 0.2), (0.9, 0.4), 0.1), ((0.05,), (None,), 0.25), ((), (), 0.25)],
)
def test_what_responds_more_to_the_strongest_noise_is_better(
    sigmas: tuple[float, ...], agreement: tuple[float | None, ...], cost: float
) -> None:
    other = (0.1,) * len(sigmas)
    good = validation(dice=0.9, error=0.1)
    found = replace(
        good, sigmas=sigmas, agreement=agreement, response=other, faithful=other, area=other, objects=(), structure=()
    )
    assert score(found) == pytest.approx(0.25 + cost)
    assert score(replace(found, marker_dice=None)) == pytest.approx(0.2)


def test_a_pair_whose_noise_spoils_the_tissue_scores_worse() -> None:
    good = validation(dice=0.9, error=0.1)
    assert score(replace(good, structure=(0.60,))) == pytest.approx(score(good) + 0.35)
    assert score(replace(good, sigmas=(0.2,), structure=(0.60,))) == pytest.approx(score(good))


def under_noise(structure: tuple[float, ...], lost: tuple[int, ...], area: float = 0.1) -> Validation:
    each = (0.9,) * 3
    return replace(
        validation(dice=0.9, error=0.1),
        sigmas=(0.05, 0.1, 0.2),
        agreement=each,
        response=each,
        faithful=each,
        area=(0.1, area, area),
        structure=structure,
        objects=tuple(MarkerObjects(kept=10 - gone, lost=gone, new=0) for gone in lost),
    )


@pytest.mark.parametrize(
    ("structure", "lost", "tissue", "markers", "eps"),
    [
        ((0.99, 0.96, 0.80), (1, 2, 5), 0.1, 0.2, 0.1),  # the tissue bears less than the markers ask for
        ((0.99, 0.98, 0.96), (4, 6, 9), 0.2, 0.05, 0.05),  # the markers need no more
        ((0.99, 0.98, 0.96), (0, 1, 2), 0.2, None, 0.2),
        ((0.90, 0.80, 0.70), (4, 6, 9), None, 0.05, None),
    ],
)
def test_the_smaller_eps_of_tissue_and_markers_is_recommended(
    structure: tuple[float, ...], lost: tuple[int, ...], tissue: float | None, markers: float | None, eps: float | None
) -> None:
    found = recommend(under_noise(structure, lost))
    assert (found.tissue.eps, found.markers, found.eps) == (tissue, markers, eps)
    assert found.sentence().endswith(f"recommended is {eps or 'none'}")


def test_markers_that_vanish_bound_the_eps_too() -> None:
    assert recommend(under_noise((0.99, 0.98, 0.96), (0, 0, 9), area=0.05)).eps == 0.05


def test_the_learning_rate_falls_over_the_share_that_is_asked_for() -> None:
    def rates(decay: float) -> list[float]:
        recipe = Effort(steps=100, width=4, blocks=1, crop=32, decay=decay).recipe()
        return [Schedule(steps=100, recipe=recipe).lr(step) / recipe.lr for step in (0, 49, 75, 99)]

    assert rates(0.5) == pytest.approx([1, 1, 0.5, 0], abs=0.02)
    assert rates(0.0) == [1, 1, 1, 1]
    assert rates(1.0) == pytest.approx([1, 0.5, 0.25, 0], abs=0.02)


def test_the_table_shows_every_number_of_both() -> None:
    lines = table(validation(dice=0.9, error=0.1), validation(dice=0.8, error=0.2))
    assert lines[0].split()[-2:] == ["new", "committed"]
    assert "0.900       0.800" in next(line for line in lines if line.startswith("marker Dice"))
    assert any(line.startswith("agreement at sigma 0.05") for line in lines)
    assert next(line for line in lines if line.startswith("small markers kept")).split()[-2:] == ["7", "7"]
    assert table(validation(0.9, 0.1), None)[1].endswith("-")


def test_data_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = train(tmp_path / "nothing", tmp_path / "runs", tmp_path / "weights")
    assert done.exit_code == 2
    assert "there is no" in done.output


def test_the_pairs_to_compare_with_are_those_of_the_package() -> None:
    found = {pair.stain for pair in list_weights([PACKAGE_WEIGHTS])}
    assert found == {"cd34", "cd68"}
