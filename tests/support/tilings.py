"""Tile slides in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augengine.storage import AnyPath
from augengine.tiling import TileRequest, TileSummary, tile
from tests.support.datasets import Listener


def cut(slides: Path | list[Path], out: AnyPath, **options: Any) -> TileSummary:
    """Tile slides at 0.5 um/px with sides of 64 px, by one worker, unless said otherwise."""
    return tile(request(slides, out, **options), Listener())


def request(slides: Path | list[Path], out: AnyPath, **options: Any) -> TileRequest:
    """The request of `cut`."""
    names = tuple(str(slide) for slide in (slides if isinstance(slides, list) else [slides]))
    values: dict[str, Any] = {"mpp": 0.5, "size": 64, "workers": 1}
    return TileRequest(slides=names, out=out, **{**values, **options})
