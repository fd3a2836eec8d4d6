"""The loop of every training: what is due when, what a second process does, and where a run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from augengine.errors import TargetError, TrainingError
from augengine_train.loop.logs import LOSSES, Bar, Logs
from augengine_train.loop.loop import Batch, Loop
from augengine_train.loop.rhythm import Rhythm

RHYTHM = Rhythm(log=2, checkpoint=3, validate=4)


class Diary:
    """A training that only notes what it was asked for, and after which step."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.pages: list[str] = []

    def descend(self, batch: Batch) -> None:
        assert int(batch["step"]) == self.loop.step
        self.pages.append("step")

    def take_losses(self) -> Mapping[str, float]:
        self.pages.append(f"losses {self.loop.step}")
        return {"loss": float(self.loop.step)}

    def validate(self, bar: Bar, logs: Logs | None) -> None:
        self.pages.append(f"validate {self.loop.step}")

    def save(self) -> None:
        self.pages.append(f"save {self.loop.step}")
        if self.loop.writes:
            self.loop.checkpoints.write("step", self.loop.step, {}, {}, {})


def loop(folder: Path, **changes: object) -> Loop:
    return Loop(**{"out": folder, "steps": 7, "images": 1, "rhythm": RHYTHM, "quiet": True, **changes})  # type: ignore[arg-type]


def batches(one: Loop) -> list[Batch]:
    return [{"step": torch.tensor(step)} for step in range(one.step, one.steps)]


def run(one: Loop) -> list[str]:
    diary = Diary(one)
    one.run(diary, batches(one))
    return [page for page in diary.pages if page != "step"]


def test_what_is_due_happens_in_order_and_all_of_it_at_the_end(tmp_path: Path) -> None:
    one = loop(tmp_path)
    assert run(one) == [
        *("losses 2", "losses 3", "save 3", "losses 4", "validate 4", "losses 6", "save 6"),
        *("losses 7", "validate 7", "save 7"),
    ]
    assert one.step == 7


def test_a_run_that_goes_on_writes_the_rows_of_one_that_never_stopped(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(loop(whole))
    first = loop(parts)
    first.run(Diary(first), batches(first)[:5])  # killed after its fifth step: its last checkpoint is of the third
    again = loop(parts)
    last = again.find_last(lambda best: pytest.fail(str(best)))
    assert last is not None
    again.step = int(last.name.removeprefix("step-"))
    assert again.step == 3
    run(again)
    assert (parts / LOSSES).read_bytes() == (whole / LOSSES).read_bytes()


def test_a_second_process_does_every_step_and_writes_nothing(tmp_path: Path) -> None:
    first, second = loop(tmp_path / "first"), loop(tmp_path / "second", writes=False)
    assert run(second) == run(first)
    assert not (tmp_path / "second").exists()


def test_a_run_killed_before_its_first_checkpoint_finds_its_best_again(tmp_path: Path) -> None:
    one = loop(tmp_path)
    waited: list[Path | None] = []
    checked: list[Path] = []
    best = one.checkpoints.write("best", 1, {}, {})
    one.wait = lambda: waited.append(one.checkpoints.find("best"))
    assert one.find_last(checked.append) is None
    assert checked == [best]
    assert waited == [best, None]  # the others look before it goes, and go on when it is gone


def test_a_folder_with_a_training_is_not_begun_again(tmp_path: Path) -> None:
    run(loop(tmp_path))
    with pytest.raises(TargetError, match="holds a training already"):
        run(loop(tmp_path))


def test_a_divergence_names_the_step_and_what_is_kept(tmp_path: Path) -> None:
    one = loop(tmp_path, step=4)
    error = one.diverged("the loss is nan", "with a lower lr")
    assert isinstance(error, TrainingError)
    assert error.message == "the loss is nan at step 4: the training diverged and was stopped"
    assert "no checkpoint was due yet" in error.hint
    kept = one.checkpoints.write("step", 3, {}, {}, {})
    assert str(kept) in one.diverged("the loss is nan", "with a lower lr").hint
