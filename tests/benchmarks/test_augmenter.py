"""The benchmark of `Augmenter`: both contenders run, and memory is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.augmenter import CHAIN, OURS, RESULT

MOST_OVER_CHAIN = 1.15
MOST_GROWN_MIB = 4.0


@pytest.mark.e2e
def test_it_measures_both_on_one_image(tmp_path: Path) -> None:
    file = tmp_path / "augmenter.json"
    size = ["--side", "32", "--calls", "1", "--rounds", "1", "--memory-calls", "3", "--out", str(file)]
    done = subprocess.run([sys.executable, "-m", "benchmarks.augmenter", *size], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    assert list(result["rows"]) == [OURS, CHAIN]
    assert result["augmenter_over_chain_seconds"] > 0


def test_the_result_on_file_is_within_its_aims() -> None:
    result = json.loads(RESULT.read_text())
    assert result["augmenter_over_chain_seconds"] <= MOST_OVER_CHAIN
    assert result["grown_mib"] <= MOST_GROWN_MIB
    assert (result["side"], result["memory_calls"]) == (256, 1000)
