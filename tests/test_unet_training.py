"""A segmenter learns, is measured, resumes to the bit, and refuses what makes no sense."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from augengine.errors import CheckpointError, SourceError, TargetError, TrainingError
from tests.datasets import make
from tests.segmenter_tiles import names, tiny_recipe, write_tiles
from train.checkpoints import Checkpoints
from train.data.kept import Kept
from train.rhythm import Rhythm
from train.unet import Cohort, Counts, Fit, Measures, Rule, StoredVariants, find_tiles, load_segmenter, make_training
from train.unet.__main__ import main
from train.unet.fit import measure
from train.unet.measures import compare
from train.unet.predict import predict
from train.unet.run import WEIGHTS, SegmenterCard
from train.unet.shrinking import shrink_image, shrink_mask
from train.unet.training import SegmenterTraining

pytestmark = pytest.mark.usefixtures("one_thread")


def box(*squares: tuple[int, int, int], side: int = 20) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """bool (side, side) with squares of (top, left, width)."""
    mask = np.zeros((side, side), dtype=np.bool_)
    for top, left, width in squares:
        mask[top : top + width, left : left + width] = True
    return mask


def test_pixels_and_objects_are_counted() -> None:
    truth = box((0, 0, 4), (10, 10, 4))
    found = box((0, 1, 4), (15, 0, 3))
    measures = compare(found, truth)
    assert measures.pixels == Counts(12, 13, 20)
    # An overlap of 12 in a union of 20 finds the first; the second is missed and something false is found.
    assert measures.objects == Counts(1, 1, 1)
    assert measures.pixels.f1 == pytest.approx(24 / 57)
    assert (measures.pixels.precision, measures.pixels.recall) == (12 / 25, 12 / 32)


def test_an_object_is_matched_once_and_at_an_overlap_of_half() -> None:
    whole, halves = box((0, 0, 8)), box((0, 0, 8))
    halves[:, 4] = False  # 32 and 24 of 64 pixels
    assert compare(halves, whole).objects == Counts(1, 1, 0)
    assert compare(whole, halves).objects == Counts(1, 0, 1)
    assert compare(box((0, 0, 4)), box((0, 3, 4))).objects == Counts(0, 1, 1)


def test_diagonal_neighbours_are_one_object() -> None:
    assert compare(box((0, 0, 2), (2, 2, 2)), box()).objects == Counts(0, 1, 0)


@pytest.mark.parametrize(
    ("counts", "f1", "precision", "recall"),
    [
        (Counts(0, 0, 0), 1, 1, 1),  # nothing to find, nothing found
        (Counts(0, 0, 5), 0, 0, 0),  # nothing found
        (Counts(0, 5, 0), 0, 0, 0),  # nothing to find
        (Counts(5, 0, 0), 1, 1, 1),
    ],
)
def test_measures_without_foreground_have_values(counts: Counts, f1: float, precision: float, recall: float) -> None:
    assert (counts.f1, counts.precision, counts.recall) == (f1, precision, recall)
    assert compare(box(), box()).pixels == Counts()


def test_counts_add_up_over_a_test_set_and_survive_json() -> None:
    one, two = compare(box((0, 0, 4)), box((0, 1, 4))), compare(box(), box((3, 3, 5)))
    total = one + two
    assert total.pixels.f1 == 2 * 12 / (2 * 12 + 4 + 4 + 25)
    assert Measures.from_json(json.loads(json.dumps(total.to_json()))) == total


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Drawn glomeruli of three patients."""
    folder = tmp_path_factory.mktemp("cohort")
    splits = {}
    for number, (split, count) in enumerate((("train", 12), ("validation", 4), ("test", 6))):
        write_tiles(folder / split, names(split, count), seed=100 * number, patient=f"p{number}")
        splits[split] = find_tiles([str(folder / split)])
    return Cohort(**splits)


def fit(cohort: Cohort, out: Path, *, steps: int = 60, seed: int = 0, rhythm: int = 20, **recipe: Any) -> Fit:
    shape = tiny_recipe(width=8, depth=3, batch=4, **recipe)
    rule = Rule(variants=0, p=0.5, seed=seed)
    often = Rhythm(log=rhythm, checkpoint=rhythm, validate=rhythm)
    return Fit(
        cohort=cohort,
        rule=rule,
        variants=StoredVariants(),
        recipe=shape,
        out=out,
        steps=steps,
        rhythm=often,
        quiet=True,
    )


@pytest.fixture(scope="module")
def trained(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    make_training(fit(cohort, out)).train()
    return out


def losses(out: Path) -> list[float]:
    with (out / "losses.csv").open() as stream:
        return [float(row["cross_entropy"]) for row in csv.DictReader(stream)]


def test_sixty_steps_learn_to_find_drawn_glomeruli(trained: Path, cohort: Cohort) -> None:
    found = measure(trained, cohort.test)
    assert losses(trained)[-1] < 0.6 * losses(trained)[0]
    assert found.pixels.f1 > 0.8
    assert found.pixels.precision > 0.7
    assert found.pixels.recall > 0.7


def test_the_best_model_on_validation_is_kept_with_its_card(trained: Path, cohort: Cohort) -> None:
    network, card = load_segmenter(trained)
    seen = [json.loads(line)["F1 by pixel"] for line in (trained / "validation.jsonl").read_text().splitlines()]
    assert len(seen) == 3
    assert card.f1 == max(seen)
    assert measure(trained, cohort.validation).pixels.f1 == pytest.approx(max(seen), abs=1e-6)
    assert card.step == 20 * (1 + seen.index(max(seen)))
    assert card.run.data["train"] == {"tiles": 12, "patients": 1}
    assert SegmenterCard.read(Checkpoints(trained / "checkpoints").find("best") or trained) == card
    assert not network.training


def weights(out: Path) -> bytes:
    folder = Checkpoints(out / "checkpoints").find("step")
    assert folder is not None
    return (folder / f"{WEIGHTS}.safetensors").read_bytes()


def test_an_interrupted_training_ends_as_an_uninterrupted_one(cohort: Cohort, tmp_path: Path) -> None:
    order = fit(cohort, tmp_path / "whole", steps=9, rhythm=3)
    make_training(order).train()
    broken = make_training(replace(order, out=tmp_path / "broken"))
    broken.items.variants, broken.items.kept = Breaking(after=20), Kept(budget=0)
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    again = make_training(replace(order, out=tmp_path / "broken"))
    assert again.resume() == 3
    again.train()
    for name in ("losses.csv", "validation.jsonl"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")


class Breaking(StoredVariants):
    """Stops as if someone pressed control-C after some images."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def image(self, tile: Any, variant: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().image(tile, variant)


def test_other_settings_or_a_folder_in_use_are_refused(trained: Path, cohort: Cohort) -> None:
    with pytest.raises(TrainingError, match="another seed: it was 0, now it is 1"):
        make_training(fit(cohort, trained, seed=1)).resume()
    with pytest.raises(TargetError, match="holds a training already"):
        make_training(fit(cohort, trained)).train()
    with pytest.raises(CheckpointError, match="holds no checkpoint of a segmenter"):
        load_segmenter(trained / "elsewhere")


def test_a_diverged_training_is_stopped(cohort: Cohort, tmp_path: Path) -> None:
    training: SegmenterTraining = make_training(fit(cohort, tmp_path, steps=2, rhythm=1))
    with torch.no_grad():
        training.network.classify.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="diverged"):
        training.train()


def test_a_large_picture_is_covered_as_its_parts_are(trained: Path) -> None:
    network, card = load_segmenter(trained)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (80, 72, 3), dtype=np.uint8)
    recipe = card.run.recipe
    whole = predict(network, picture, recipe, card.run.standard)
    assert whole.shape == (80, 72)
    part = predict(network, picture[48:, 40:], recipe, card.run.standard)
    assert np.array_equal(whole[48:, 40:], part)


def test_a_valid_network_trains_and_is_measured_on_centres(cohort: Cohort, tmp_path: Path) -> None:
    recipe = tiny_recipe(padding="valid", width=4, depth=2, crop=28)
    training = make_training(replace(fit(cohort, tmp_path, steps=2, rhythm=2), recipe=recipe))
    assert training.items[0]["mask"].shape == (12, 12)
    training.train()
    network, card = load_segmenter(tmp_path)
    assert predict(network, np.zeros((32, 40, 3), np.uint8), recipe, card.run.standard).shape == (16, 24)
    assert sum(vars_of(measure(tmp_path, cohort.test))) <= 6 * 16 * 16


def test_a_network_may_work_at_a_coarser_scale(cohort: Cohort, tmp_path: Path) -> None:
    recipe = tiny_recipe(shrink=2, crop=12)
    training = make_training(replace(fit(cohort, tmp_path, steps=2, rhythm=2), recipe=recipe))
    assert (training.items[0]["image"].shape, training.items[0]["mask"].shape) == ((3, 12, 12), (12, 12))
    training.train()
    assert sum(vars_of(measure(tmp_path, cohort.test))) <= 6 * 16 * 16
    with pytest.raises(SourceError, match="smaller than a crop of 48 px"):
        cohort.check_sizes(tiny_recipe(shrink=2, crop=24))


def test_shrinking_keeps_tile_and_mask_in_place() -> None:
    mask = box((4, 8, 8), side=22)
    picture = np.repeat(mask[..., None] * np.uint8(200), 3, axis=2)
    assert shrink_image(picture, 4).shape == (5, 5, 3)
    assert np.array_equal(shrink_image(picture, 4)[..., 0] > 100, shrink_mask(mask, 4))
    assert np.array_equal(shrink_mask(mask, 4), box((1, 2, 2), side=5))
    assert shrink_image(picture, 1) is picture


def vars_of(found: Measures) -> tuple[int, int, int]:
    counts = found.pixels
    return counts.true_positives, counts.false_positives, counts.false_negatives


def test_measuring_on_nothing_is_refused(trained: Path) -> None:
    with pytest.raises(SourceError, match="no tiles to measure on"):
        measure(trained, ())


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


TOY = ["--recipe", "small", "--width", 4, "--depth", 2, "--crop", 32, "--steps", 2, "--stain", "cd68"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for number, patient in enumerate(("anna", "berta", "carl")):
        write_tiles(folder, names(patient[0], 2), seed=10 * number, patient=patient, shard=patient)
    (folder.parent / "patients.csv").write_text(
        "file,patient,split\na*,anna,train\nb*,berta,validation\nc*,carl,test\n"
    )
    return folder


def test_the_command_trains_by_a_patients_file_and_reports(shards: Path, tmp_path: Path) -> None:
    arguments = ["--data", shards, "--patients", shards.parent / "patients.csv", "--out", tmp_path, *TOY]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    said = json.loads((tmp_path / "test.json").read_text())
    assert set(said) == {"pixels", "objects"}
    assert set(rows(said)) <= set(done.output.splitlines())
    assert run(*arguments).exit_code == 2
    again = run(*arguments, "--resume")
    assert again.exit_code == 0
    assert "goes on after step 2" in again.output
    assert run(*arguments, "--measure-only").exit_code == 0


def rows(said: Mapping[str, Any]) -> list[str]:
    """The lines that a command prints of what stands in its test.json."""
    kinds = {name: [said[f"{name}s"][measured] for measured in MEASURED] for name in ("pixel", "object")}
    return [f"by {name}".ljust(12) + "".join(f"{value:11.4f}" for value in values) for name, values in kinds.items()]


MEASURED = ("f1", "precision", "recall")


def test_what_is_measured_again_is_printed_and_written(trained: Path, cohort: Cohort) -> None:
    train, test = (tiles[0].images[0].file for tiles in (cohort.train, cohort.test))
    done = run("--train", train, "--test", test, "--out", trained, "--measure-only", *TOY)
    assert done.exit_code == 0, done.output
    found = measure(trained, cohort.test)
    assert len({getattr(found.pixels, name) for name in MEASURED}) == 3
    assert json.loads((trained / "test.json").read_text()) == found.to_json()
    assert done.output.splitlines()[1:] == rows(found.to_json())


@pytest.mark.e2e
def test_the_command_augments_online_or_reads_what_was_written(
    shards: Path, small_weights: Path, tmp_path: Path
) -> None:
    arguments = ["--train", shards / "anna.tar", "--test", shards / "carl.tar", *TOY]
    online = run(*arguments, "--online", "--weights", small_weights, "--out", tmp_path / "online")
    assert online.exit_code == 0, online.output
    make(
        shards / "anna.tar",
        tmp_path / "ahead",
        small_weights,
        variants=8,
        include_source=True,
        chain="plain",
        precision="float32",
    )
    written = ["--train", tmp_path / "ahead", "--variants", "fresh", "--out", tmp_path / "read"]
    read = run(*arguments[2:], *written)
    assert read.exit_code == 0, read.output
    assert weights(tmp_path / "read") == weights(tmp_path / "online")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "o"], "what is trained on"),
        (["--out", "o", "--train", "{}/anna.tar", "--data", "{}"], "what is trained on"),
        (["--out", "o", "--train", "{}/anna.tar", "--variants", "many"], "--variants is a number"),
        (["--out", "o", "--train", "{}/anna.tar", "--recipe", "small", "--online"], "needs the stain"),
        (["--out", "o", "--train", "{}/anna.tar", "--recipe", "small"], "smaller than a crop of 128 px"),
        (["--out", "o", "--train", "{}/anna.tar", "--crop", "28", "--depth", "2"], "vectors"),
    ],
)
def test_the_command_refuses_in_a_line_with_a_hint(shards: Path, arguments: list[str], said: str) -> None:
    done = run(*(argument.format(shards) for argument in arguments))
    assert (done.exit_code, done.exception.__class__) == (2, SystemExit)
    assert said in done.output
    assert "hint: " in done.output
