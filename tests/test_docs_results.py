"""The command lines of docs/results.md are typed here on the real fields, with few sigmas and small tiles."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "results.md"
TOY = {"probe": "--size 96 --tiles 3 --sigmas 0.05", "preview": "--size 64 --tiles 1 --draws 2 --sigmas 0"}
"""Typed after the page's own options: the last of two equal ones counts."""


def typed(data: Path) -> list[list[str]]:
    """The commands of the page that look at real tissue, with ``$DATA`` filled in."""
    lines = [line.replace("$DATA", str(data)) for block in blocks(PAGE) for line in block.splitlines()]
    words = [shlex.split(line) for line in lines]
    measured = [line for line in words if line[:3] == ["python", "-m", "benchmarks.halved_tiles"]]
    return [*measured, *(line for line in words if line[:1] == ["augengine"] and line[1] in TOY)]


@pytest.mark.e2e
def test_the_measurements_on_real_tissue_can_be_typed_again(shared_data: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for words in typed(shared_data / "hannover"):
        if words[0] == "python":
            command = [sys.executable, *words[1:]]
        else:
            command = [sys.executable, "-m", *words, *shlex.split(TOY[words[1]])]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    found = {file.parent.name: json.loads(file.read_text()) for file in tmp_path.glob("*/probe.json")}
    assert set(found) == {"probe-cd34", "probe-cd68", "probe-cd68-centre", "probe-hdab", "probe-cd68-field"}
    assert all(numbers["reference_tiles"] > 0 for numbers in found.values())
    assert not any(numbers["tissue"]["surrogate"] for numbers in found.values())
