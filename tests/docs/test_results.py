"""The command lines of docs/notes/results.md are typed here on the real fields, with few sigmas and small tiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs.test_pages import blocks
from tests.support.places import ROOT
from tests.support.typed_lines import type_lines

PAGE = ROOT / "docs" / "notes/results.md"
TOYS = {
    "augengine probe": "--size 96 --tiles 3 --sigmas 0.05",
    "augengine preview": "--size 64 --tiles 1 --draws 2 --sigmas 0",
}
"""Typed after the page's own options: the last of two equal ones counts."""


def typed(data: Path) -> list[str]:
    """The commands of the page that look at real tissue, with ``$DATA`` filled in."""
    lines = [line.replace("$DATA", str(data)) for block in blocks(PAGE) for line in block.splitlines()]
    return [line for line in lines if line.startswith(("python -m benchmarks.halved_tiles", *TOYS))]


@pytest.mark.e2e
@pytest.mark.slow
def test_the_measurements_on_real_tissue_can_be_typed_again(shared_data: Path, tmp_path: Path) -> None:
    lines = typed(shared_data / "hannover")
    assert len(lines) > len(TOYS)
    type_lines(lines, tmp_path, toys=TOYS)
    found = {file.parent.name: json.loads(file.read_text()) for file in tmp_path.glob("*/probe.json")}
    assert set(found) == {"probe-cd34", "probe-cd68", "probe-cd68-centre", "probe-cd68-field"}
    assert all(numbers["reference_tiles"] > 0 for numbers in found.values())
    assert not any(numbers["tissue"]["surrogate"] for numbers in found.values())
