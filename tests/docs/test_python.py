"""The page for Python is typed."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.support.pictures import class_ids, encode, stained
from tests.support.places import ROOT


def run(example: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What an example of the page leaves behind, run in a folder with a tile and its mask."""
    patch.chdir(tmp_path)
    Path("tile.png").write_bytes(encode(stained(64)))
    Path("tile_mask.png").write_bytes(encode(class_ids(64, 64)))
    Path("example.py").write_text(example)
    return runpy.run_path("example.py")


def examples() -> list[str]:
    page = (ROOT / "docs" / "guide" / "python.md").read_text()
    return re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.mark.e2e
def test_the_example_for_one_image_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(examples()[0], tmp_path, monkeypatch)
    assert found["variants"].shape == found["same"].shape == (4, 64, 64, 3)
    assert found["strong"].shape == (1, 64, 64, 3)
    assert found["hidden"].shape == (3, 64, 64)
    assert found["back"].shape == (64, 64, 3)


@pytest.mark.e2e
def test_the_example_for_a_trainer_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(examples()[1], tmp_path, monkeypatch)
    assert (found["image"].mode, found["image"].size, found["mask"].mode) == ("RGB", (64, 64), "L")
    assert (tuple(found["sample"]["image"].shape), found["sample"]["label"]) == ((2, 3, 64, 64), 1)
