"""A drawing that changes has another version, so that no folder mixes two."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.phantom_drawing import FILE, measure
from train.phantom.markers import KINDS
from train.phantom.series import DRAWING_VERSION

GREY_LEVELS, SHARE = 1.0, 0.02
"""What processors may differ by."""


def noted() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def differ(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The stains whose fields differ."""
    return [stain for stain in other if not _agree(one[stain], other[stain])]


def _agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    counts = all(one[name] == pytest.approx(other[name], rel=SHARE) for name in ("markers", "glomeruli"))
    return counts and np.allclose(one["blocks"], other["blocks"], rtol=0, atol=GREY_LEVELS)


def test_what_is_drawn_is_what_its_version_says() -> None:
    assert noted()["drawing_version"] == DRAWING_VERSION, "python -m tests.phantom_drawing"
    assert differ(noted(), measure()) == [], "raise DRAWING_VERSION, then type python -m tests.phantom_drawing"


def test_markers_of_another_size_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = replace(KINDS["cd68"], radius_um=(2.5, 6.0))
    monkeypatch.setitem(KINDS, "cd68", smaller)
    assert differ(noted(), measure()) == ["pas", "cd68"]  # PAS's fields note where CD68's would be
