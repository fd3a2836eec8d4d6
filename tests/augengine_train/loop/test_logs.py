"""A training's logs: TensorBoard reads them again, and progress is said on a terminal and elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from augengine.errors import TargetError
from augengine_train.loop import logs
from augengine_train.loop.logs import Bar, Logs, read_validations


def test_tensorboard_shows_losses_validations_and_grids(tmp_path: Path) -> None:
    with Logs(tmp_path) as run:
        for step in (1, 2):
            run.losses(step, {"lr": 0.5, "cycle": 1.0 / step}, images_per_second=3.0)
        found = {"marker_dice": 0.9, "sigmas": [0.05, 0.2], "agreement": [0.8, None]}
        run.validation(2, found, np.zeros((8, 8, 3), dtype=np.uint8))
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [(event.step, event.value) for event in board.Scalars("training/cycle")] == [(1, 1.0), (2, 0.5)]
    assert board.Scalars("validation/marker_dice")[0].value == pytest.approx(0.9)
    assert [name for name in board.Tags()["scalars"] if "agreement" in name] == ["validation/agreement/0.05"]
    assert board.Tags()["images"] == ["cycles"]
    assert read_validations(tmp_path) == [{"step": 2, **found}]


def test_a_damaged_file_of_validations_is_named(tmp_path: Path) -> None:
    assert read_validations(tmp_path) == []
    (tmp_path / "validation.jsonl").write_text("{")
    with pytest.raises(TargetError, match=r"validation.jsonl"):
        read_validations(tmp_path)


def test_without_a_terminal_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_LINE_SECONDS", 0.0)
    with Bar(100, 20) as bar:
        assert bar.advance(60, 2) > 0
        monkeypatch.setattr(logs, "_LINE_SECONDS", 1000.0)
        bar.advance(61, 2)
    assert re.fullmatch(r"60/100 steps, [0-9.]+ images/s, 0 min left\n+", capsys.readouterr().err)


def test_on_a_terminal_progress_is_a_bar_with_the_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Bar(100, 20) as bar:
        bar.advance(60, 1)
        bar.note("step 60: validation score 0.3")
    said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "60/100" in said
    assert "images/s" in said
    assert "validation score 0.3" in said
    with Bar(100, 20, quiet=True) as bar:
        bar.advance(60, 1)
    assert capsys.readouterr().err == ""
