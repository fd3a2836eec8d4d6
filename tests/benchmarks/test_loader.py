"""The benchmark of the loader: both contenders show the same samples."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.loader import BARE, OURS, RESULT


@pytest.mark.e2e
def test_it_measures_both_over_the_same_samples(tmp_path: Path) -> None:
    file = tmp_path / "loader.json"
    size = ["--sources", "6", "--variants", "2", "--shards", "2", "--rounds", "2", "--out", str(file)]
    done = subprocess.run([sys.executable, "-m", "benchmarks.loader", *size], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    assert list(result["rows"]) == [OURS, BARE]
    assert result["ours_over_webdataset"] > 0


def test_the_result_on_file_reads_as_fast_as_webdataset() -> None:
    result = json.loads(RESULT.read_text())
    assert result["ours_over_webdataset"] >= 1 / 1.1
