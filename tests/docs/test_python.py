"""The page for Python is typed."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from tests.support.pictures import encode, stained
from tests.support.places import ROOT


@pytest.mark.e2e
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("tile.png").write_bytes(encode(stained(64)))
    Path("example.py").write_text(example)
    found = runpy.run_path("example.py")
    assert found["variants"].shape == found["same"].shape == (4, 64, 64, 3)
    assert found["strong"].shape == (1, 64, 64, 3)
    assert found["hidden"].shape == (3, 64, 64)
    assert found["back"].shape == (64, 64, 3)
