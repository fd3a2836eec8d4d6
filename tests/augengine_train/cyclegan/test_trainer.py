"""The training loop: it learns, stops, goes on, and leaves what it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from augengine.engines.onnx_types import read_model
from augengine.errors import CheckpointError, SpecError, TargetError, TrainingError
from augengine.importing.export import run_onnx
from augengine.weights.cards import find_weights
from augengine_train.cyclegan.checkpoint import TrainingCard, load_generator
from augengine_train.cyclegan.finish import export_run, to_tile
from augengine_train.cyclegan.step import CycleGan
from augengine_train.cyclegan.trainer import Judgement, Trainer
from augengine_train.loop.checkpoints import STATE
from augengine_train.loop.rhythm import Rhythm
from tests.support.drawn_tissue import DrawnCrops, density, in_reference_colours, in_stain_colours, tiny_recipe
from tests.support.small_trainer import find, judge_by_step, make_run, make_trainer

FILES = {"to-reference.safetensors", "from-reference.safetensors", "card.json"}


pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("one_thread")]


def test_a_training_on_two_drawn_stains_finds_their_mapping(tmp_path: Path) -> None:
    recipe = tiny_recipe(lr=2e-3, epochs=1, decay_epochs=1)
    trainer = make_trainer(tmp_path, make_run(400, recipe=recipe), rhythm=Rhythm())
    before = measure_drawn(trainer.gan)
    trainer.train()
    cycle, mapping = measure_drawn(trainer.gan)
    assert min(before) > 0.5
    assert cycle < 0.12
    assert mapping < 0.12


def measure_drawn(gan: CycleGan) -> tuple[float, float]:
    """L1 of the stain's cycle, and of its translation from the truth, on tissue that no training draws."""
    amounts = [density(10**7 + i, 32) for i in range(16)]
    reference = torch.from_numpy(np.stack([in_reference_colours(amount) for amount in amounts]))
    stain = torch.from_numpy(np.stack([in_stain_colours(amount) for amount in amounts]))
    with torch.inference_mode():
        fake = gan.generators.to_reference(stain)
        cycle = gan.generators.from_reference(fake) - stain
    return cycle.abs().mean().item(), (fake - reference).abs().mean().item()


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, parts, run = tmp_path / "whole", tmp_path / "parts", make_run(11)
    make_trainer(whole, run, judge=judge_by_step).train()
    with pytest.raises(KeyboardInterrupt):
        make_trainer(parts, run, judge=judge_by_step, breaks_at=10).train()
    assert (parts / "losses.csv").read_text().count("\n") == 11  # two of these steps are beyond the checkpoint
    rest = make_trainer(parts, run, judge=judge_by_step)
    assert rest.resume() == 8
    rest.train()
    for name in ("losses.csv", "validation.jsonl"):
        assert (parts / name).read_text() == (whole / name).read_text()
    for name in FILES:
        assert (find(parts) / name).read_bytes() == (find(whole) / name).read_bytes()


def test_crops_prepared_by_other_processes_change_nothing(tmp_path: Path) -> None:
    run = make_run(4, recipe=tiny_recipe(batch=2))
    make_trainer(tmp_path / "a", run).train()
    make_trainer(tmp_path / "b", run, workers=2).train()
    assert (tmp_path / "a/losses.csv").read_text() == (tmp_path / "b/losses.csv").read_text()


def test_the_seed_decides_the_numbers(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_trainer(tmp_path / name, make_run(3, seed=seed)).train()
        texts.append((tmp_path / name / "losses.csv").read_text())
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_the_best_and_the_last_checkpoint_are_kept_and_no_other(tmp_path: Path) -> None:
    make_trainer(tmp_path, make_run(9), judge=judge_by_step).train()
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"best-00000004", "step-00000009"}
    assert {path.name for path in find(tmp_path, "best").iterdir()} == FILES
    assert {path.name for path in find(tmp_path).iterdir()} == FILES | {STATE}
    card = TrainingCard.read(find(tmp_path, "best"))
    assert (card.step, card.score, card.validation) == (4, 0.0, {"cycle": 0.0})
    scores = [json.loads(line)["cycle"] for line in (tmp_path / "validation.jsonl").read_text().splitlines()]
    assert scores == [2.0, 0.0, 2.0, 4.0, 5.0]
    assert len(list((tmp_path / "grids").glob("step-*.png"))) == 5


def test_logs_hold_a_row_of_means(tmp_path: Path) -> None:
    make_trainer(tmp_path / "each", make_run(4), rhythm=Rhythm(log=1)).train()
    make_trainer(tmp_path / "both", make_run(4), rhythm=Rhythm(log=2)).train()
    each, both = (np.genfromtxt(tmp_path / name / "losses.csv", delimiter=",", names=True) for name in ("each", "both"))
    assert both["step"].tolist() == [2, 4]
    assert both["cycle_stain"] == pytest.approx(each["cycle_stain"].reshape(2, 2).mean(axis=1), rel=1e-5)


@pytest.mark.parametrize("changes", [{"seed": 4}, {"recipe": tiny_recipe(lr=1e-3)}, {"data": {"drawn": 2}}])
def test_a_training_is_not_resumed_with_other_settings(tmp_path: Path, changes: dict[str, Any]) -> None:
    make_trainer(tmp_path, make_run(2)).train()
    with pytest.raises(TrainingError, match=f"another {next(iter(changes))}"):
        make_trainer(tmp_path, make_run(2, **changes)).resume()


def test_a_best_checkpoint_of_another_criterion_is_chosen_anew_after_a_resume(tmp_path: Path) -> None:
    often, run = Rhythm(log=1, checkpoint=2, validate=2), make_run(9)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path, run, judge=judge_by_step, rhythm=often, breaks_at=6).train()
    assert find(tmp_path, "best").name == "best-00000004"

    def judge_otherwise(_there: nn.Module, _back: nn.Module, step: int) -> Judgement:
        return Judgement(score=100.0 - step, numbers={}, criterion="another")

    again = make_trainer(tmp_path, run, judge=judge_otherwise, rhythm=often)
    assert again.resume() == 6
    again.train()
    assert find(tmp_path, "best").name in ("best-00000008", "best-00000009")


def test_a_folder_with_a_training_is_not_trained_into_again(tmp_path: Path) -> None:
    make_trainer(tmp_path, make_run(1)).train()
    with pytest.raises(TargetError, match="holds a training"):
        make_trainer(tmp_path, make_run(1)).train()


def test_killed_before_its_first_checkpoint_it_begins_anew_and_leaves_nothing_of_before(tmp_path: Path) -> None:
    late, run = Rhythm(log=1, checkpoint=8, validate=2), make_run(9)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path, run, judge=judge_by_step, rhythm=late, breaks_at=6).train()
    assert find(tmp_path, "best").name == "best-00000004"
    with pytest.raises(TargetError, match="holds a training"):
        make_trainer(tmp_path, run, rhythm=late).train()
    other = make_trainer(tmp_path, make_run(9, seed=8), rhythm=late)
    with pytest.raises(TrainingError, match="another seed"):
        other.resume()
    assert find(tmp_path, "best").name == "best-00000004"
    (tmp_path / "losses.csv").write_text("step,of another recipe\n1,0.5\n")
    again = make_trainer(tmp_path, run, rhythm=late)
    assert again.resume() == 0
    again.train()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000009"]
    assert (tmp_path / "losses.csv").read_text().startswith("step,lr,")


def test_weights_that_are_no_numbers_are_not_validated(tmp_path: Path) -> None:
    def judge(to_reference: nn.Module, _from_reference: nn.Module, step: int) -> Judgement:
        assert all(bool(torch.isfinite(p).all()) for p in to_reference.parameters())
        return judge_by_step(to_reference, to_reference, step)

    rhythm = Rhythm(log=100, checkpoint=4, validate=3)
    with pytest.raises(TrainingError, match="a weight is no finite number at step 6"):
        make_trainer(tmp_path, make_run(9), judge=judge, rhythm=rhythm, nan_at=4).train()


def test_resuming_where_nothing_is_starts_at_the_beginning(tmp_path: Path) -> None:
    assert make_trainer(tmp_path, make_run(1)).resume() == 0


@pytest.mark.parametrize("form", ["run", "checkpoint", "onnx"])
def test_a_training_starts_from_the_weights_of_another(tmp_path: Path, form: str) -> None:
    first = make_trainer(tmp_path / "first", make_run(2))
    first.train()
    if form == "onnx":
        export_run(tmp_path / "first")
    places = {"run": tmp_path / "first", "checkpoint": find(tmp_path / "first")}
    second = make_trainer(tmp_path / "second", make_run(2, seed=9))
    second.warm_start(places.get(form, tmp_path / "first/weights/pas-cd68"))
    pairs = zip(first.gan.generators.parameters(), second.gan.generators.parameters(), strict=True)
    tolerance = 1e-4 if form == "onnx" else 0  # stored in float16
    assert all(torch.allclose(a, b, atol=tolerance, rtol=0) for a, b in pairs)


def test_weights_of_another_recipe_are_no_start(tmp_path: Path) -> None:
    make_trainer(tmp_path / "first", make_run(1)).train()
    wider = make_trainer(tmp_path / "second", make_run(1, recipe=tiny_recipe().with_changes(width=6)))
    with pytest.raises(CheckpointError, match="does not fit"):
        wider.warm_start(tmp_path / "first")


@pytest.mark.parametrize("judge", [None, judge_by_step])
def test_a_finished_training_is_a_pair_of_weights(tmp_path: Path, judge: Any) -> None:
    make_trainer(tmp_path, make_run(6), judge=judge).train()
    tile = to_tile(np.random.default_rng(0).integers(0, 256, (50, 61, 3), dtype=np.uint8))
    assert tile.shape == (1, 3, 48, 60)
    cards = export_run(tmp_path, tiles={"to-reference": tile, "from-reference": tile})
    pair = find_weights("pas", "cd68", [tmp_path / "weights"])
    assert [card.direction for card in cards] == ["to-reference", "from-reference"]
    folder = find(tmp_path, "best" if judge else "step")
    for direction in ("to-reference", "from-reference"):
        card = pair.cards[direction]
        assert card.parity.rms < 0.01
        assert card.mpp == 0.5
        assert ("4 of 6 steps" if judge else "Not validated") in card.training
        generator = load_generator(folder, direction, make_run(6).recipe.generator)
        with torch.inference_mode():
            expected = generator(torch.from_numpy(tile)).numpy()
        assert np.abs(run_onnx(read_model(pair.path(direction)), tile) - expected).max() <= card.parity.max + 1e-5


def test_nothing_is_exported_from_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        export_run(tmp_path)


def test_bfloat16_trains_nearly_as_float32_does(tmp_path: Path) -> None:
    columns = []
    for precision in ("float32", "bfloat16"):
        make_trainer(tmp_path / precision, make_run(5, precision=precision)).train()
        columns.append(np.genfromtxt(tmp_path / precision / "losses.csv", delimiter=",", names=True)["cycle_stain"])
    assert columns[1] == pytest.approx(columns[0], rel=0.05)
    assert not np.array_equal(columns[0], columns[1])


def test_a_data_set_of_another_length_is_refused(tmp_path: Path) -> None:
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    with pytest.raises(SpecError, match="take 4 crops"):
        Trainer(run=make_run(4), crops=DrawnCrops(3), out=tmp_path, accelerator=accelerator)
