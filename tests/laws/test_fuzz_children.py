"""Files of strangers, made up: each is read in bounded time and memory, to what it promises or to a refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.datasets import make
from tests.support.fuzz.datasets import SOUND, as_a_killed_run_leaves_it
from tests.support.pictures import write_folder
from tests.support.places import ROOT

KINDS = ("annotations", "checkpoints", "datasets", "onnx_files", "shards")
BRIEF, LONG = 0, 60
SECONDS = [pytest.param(BRIEF, id="brief"), pytest.param(LONG, id="long", marks=pytest.mark.slow)]


@pytest.mark.e2e
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", SECONDS)
def test_files_of_strangers_are_read_or_refused(kind: str, seconds: int, small_weights: Path, tmp_path: Path) -> None:
    if kind == "datasets":
        source = write_folder(tmp_path / "tiles", ["a", "b"])
        make(source, tmp_path / SOUND, small_weights)
        as_a_killed_run_leaves_it(tmp_path / SOUND)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fuzz.child", kind, str(tmp_path), str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds + 240,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    said = "\n".join(line[:300] for line in done.stderr.splitlines()[-60:])
    assert done.returncode == 0, f"it ended with {done.returncode}; {tmp_path} holds the file\n{said}"
    tally = json.loads(done.stdout.splitlines()[-1])
    assert min(tally.values()) > 0, f"{tally}: what is made up is all alike"
