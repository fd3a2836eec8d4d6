"""A cell that other processes can run without importing much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def double(cell: Mapping[str, Any]) -> dict[str, int]:
    """Twice its x."""
    return {"double": 2 * cell["x"]}
