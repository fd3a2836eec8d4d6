"""The soak at a small size: workers, nodes and the driver are killed, in earnest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_run_whose_workers_nodes_and_drivers_are_killed_equals_a_clean_one(tmp_path: Path) -> None:
    result = tmp_path / "soak.json"
    command = [sys.executable, "-m", "benchmarks.soak", "--shards", "60", "--every", "3", "--out", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    seen = json.loads(result.read_text())
    assert seen["wrong"] == []
    assert [driver["exit"] for driver in seen["drivers"]] == [-9, -9, 0]
    assert seen["workers_killed"] + seen["nodes_removed"] >= 1
