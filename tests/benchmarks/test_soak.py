"""The soak at a small size: workers, nodes and the driver are killed, in earnest, also over a store with faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow]


@pytest.mark.parametrize(("store", "shards"), [("disk", 60), ("s3", 50)])
def test_a_run_whose_workers_nodes_and_drivers_are_killed_equals_a_clean_one(
    store: str, shards: int, tmp_path: Path
) -> None:
    result = tmp_path / "soak.json"
    options = ["--store", store, "--shards", str(shards), "--every", "2", "--out", str(result)]
    command = [sys.executable, "-m", "benchmarks.soak", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    seen = json.loads(result.read_text())
    assert seen["wrong"] == []
    assert [driver["exit"] for driver in seen["drivers"]] == [-9, -9, 0]
    assert seen["workers_killed"] + seen["nodes_removed"] >= 1
    assert (sum(seen["store"]["faults"].values()) > 0) if store == "s3" else ("store" not in seen)
