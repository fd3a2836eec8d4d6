"""The shares of a pass by operator, at toy size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from augengine.engines._openvino import OpenVinoBackend

pytestmark = pytest.mark.e2e


def test_shares_of_a_pass_add_up_and_name_the_convolutions(tmp_path: Path) -> None:
    out = tmp_path / "operators.json"
    options = ["--sides", "32", "--width", "4", "--blocks", "1", "--rounds", "1", f"--out={out}"]
    command = [sys.executable, "-m", "benchmarks.operators", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())["shares"]["32"]
    backend = OpenVinoBackend()
    assert set(found) == {*backend.precisions(), *([] if backend.why_no_int8() else ["int8"])}
    for shares in found.values():
        assert sum(shares.values()) == pytest.approx(1, abs=0.02)
        assert {"Convolution", "ConvolutionBackpropData", "MVN"} <= set(shares)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
