"""A drawing that changes has another version, so that no folder mixes two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from augengine_train.phantom.markers import KINDS
from augengine_train.phantom.series import DRAWING_VERSION
from tests.support.phantom_drawing import FILE, measure

LIMITS: Mapping[str, Any] = {"colours": {"abs": 0.2}, "roughness": {"rel": 0.003}, "pixels": {"rel": 0.003, "abs": 2}}
"""What processors may differ by."""


def noted() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def differing() -> list[str]:
    """The fields that are not as they were noted."""
    before, now = noted()["fields"], measure()
    return [
        field
        for field in before
        if any(now[field][name] != pytest.approx(before[field][name], **LIMITS[name]) for name in LIMITS)
    ]


def test_what_is_drawn_is_what_its_version_says() -> None:
    assert noted()["drawing_version"] == DRAWING_VERSION, "python -m tests.support.phantom_drawing"
    assert differing() == [], "raise DRAWING_VERSION, then type python -m tests.support.phantom_drawing"


def test_markers_a_little_smoother_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "cd68", replace(KINDS["cd68"], granular=0.5))
    assert {field.split()[0] for field in differing()} == {"cd68"}
