"""The benchmark of a training step: it runs, and what was promised of it stands in the committed result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.train_step import FAST, OURS, PLAIN, RESULT


@pytest.mark.e2e
def test_it_measures_all_three_in_turn(tmp_path: Path) -> None:
    file = tmp_path / "step.json"
    size = ["--width", "2", "--blocks", "1", "--crop", "32", "--steps", "1", "--rounds", "2", "--out", str(file)]
    done = subprocess.run([sys.executable, "-m", "benchmarks.train_step", *size], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    assert list(result["rows"]) == [PLAIN, OURS, FAST]
    assert all(row["images_per_second"] > 0 for row in result["rows"].values())
    assert result["ours_over_plain"] > 0


def test_the_committed_result_keeps_the_promise() -> None:
    """At least a plain loop's rate, and half as much again in bfloat16 where the machine multiplies it."""
    result = json.loads(RESULT.read_text())
    assert result["machine"]["bfloat16_hardware"]
    assert result["ours_over_plain"] >= 1
    assert result["bfloat16_over_float32"] >= 1.5
