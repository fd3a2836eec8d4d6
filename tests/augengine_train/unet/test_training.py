"""A segmenter learns, keeps its best model, resumes to the bit, and refuses what makes no sense."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augengine.errors import CheckpointError, SourceError, TargetError, TrainingError
from augengine_train.data.picture_cache import PictureCache
from augengine_train.loop.checkpoints import Checkpoints
from augengine_train.unet import Cohort, Measures, StoredVariants, load_segmenter, make_training
from augengine_train.unet.fit import measure
from augengine_train.unet.predict import predict
from augengine_train.unet.run import SegmenterCard
from augengine_train.unet.training import SegmenterTraining
from tests.support.segmenter_tiles import tiny_recipe
from tests.support.segmenter_trainings import cohort as cohort
from tests.support.segmenter_trainings import fit, weights
from tests.support.segmenter_trainings import trained as trained

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_an_interrupted_training_ends_as_an_uninterrupted_one(cohort: Cohort, tmp_path: Path) -> None:
    order = fit(cohort, tmp_path / "whole", steps=9, rhythm=3)
    make_training(order).train()
    broken = make_training(replace(order, out=tmp_path / "broken"))
    broken.items.variants, broken.items.kept = Breaking(after=20), PictureCache(budget=0)
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
    with pytest.raises(SourceError, match="smaller than a crop of 48 px") as caught:
        cohort.check_sizes(tiny_recipe(shrink=2, crop=24))
    assert "--crop 16, or --recipe small" in caught.value.hint


def vars_of(found: Measures) -> tuple[int, int, int]:
    counts = found.pixels
    return counts.true_positives, counts.false_positives, counts.false_negatives


def test_measuring_on_nothing_is_refused(trained: Path) -> None:
    with pytest.raises(SourceError, match="no tiles to measure on"):
        measure(trained, ())
