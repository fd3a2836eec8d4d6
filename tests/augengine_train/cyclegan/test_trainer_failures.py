"""What goes wrong in the training loop is said in a line, and costs no checkpoint."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from augengine.errors import CheckpointError, TargetError, TrainingError
from augengine_train.loop.checkpoints import STATE, load_state
from augengine_train.loop.rhythm import Rhythm
from tests.support.small_trainer import find, make_run, make_trainer

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("one_thread")]


def test_a_loss_that_is_no_number_stops_the_training_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at step 7") as caught:
        make_trainer(tmp_path, make_run(9), rhythm=Rhythm(log=1, checkpoint=4), nan_at=6).train()
    assert str(find(tmp_path)) in caught.value.hint
    assert find(tmp_path).name == "step-00000004"
    weights = load_file(find(tmp_path) / "to-reference.safetensors")
    assert all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())


def test_between_rows_a_bad_loss_is_found_before_a_checkpoint_is_written(tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        make_trainer(tmp_path, make_run(9), rhythm=Rhythm(log=100, checkpoint=4), nan_at=5).train()
    assert find(tmp_path).name == "step-00000004"


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Writing more fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_and_the_checkpoint_before_stays(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, make_run(4), breaks_at=2, rhythm=Rhythm(checkpoint=2))
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    rest = make_trainer(tmp_path, make_run(4), rhythm=Rhythm(checkpoint=2))
    rest.resume()
    with no_file_above(100_000), pytest.raises(TargetError, match="checkpoint"):
        rest.train()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]
    load_state(find(tmp_path))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of TensorBoard's own thread
@pytest.mark.parametrize("room", [0, 100, 600])
def test_logs_that_a_full_disk_cannot_hold_are_said_in_a_line(tmp_path: Path, room: int) -> None:
    trainer = make_trainer(tmp_path, make_run(20), rhythm=Rhythm(log=1))
    with no_file_above(room), pytest.raises(TargetError, match="cannot write"):
        trainer.train()


def test_a_state_that_holds_code_is_not_run(tmp_path: Path) -> None:
    make_trainer(tmp_path, make_run(1)).train()
    torch.save({"pools": [RunsOnLoad(tmp_path / "trace")]}, find(tmp_path) / STATE)
    with pytest.raises(CheckpointError):
        make_trainer(tmp_path, make_run(1)).resume()
    assert not (tmp_path / "trace").exists()


class RunsOnLoad:
    """Unpickling it writes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.trace, "ran")
