"""Where the checkout, the histology for development and the cases that once went wrong lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED_CASES = ROOT.parent / "shared" / "cases"
SHARED_DATA = ROOT.parent / "shared" / "data"
SHARED_CASES = ROOT.parent / "shared" / "cases"
