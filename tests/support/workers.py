"""A worker's spec without a run around it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augengine.chain.pair import EnginesSpec
from augengine.dataset.spec import WorkerSpec
from augengine.spec import AugmentSpec, NoiseSpec


def worker(folder: Path, *, source: Mapping[str, Any] | None = None, max_side: int = 1024) -> WorkerSpec:
    """A worker whose engines are never reached."""
    (folder / ".augengine" / "spool").mkdir(parents=True, exist_ok=True)
    engines = EnginesSpec(
        to_reference="none",
        from_reference="none",
        weights=("", ""),
        backend="openvino",
        precision="float32",
        height=64,
        width=64,
        mpp=0.5,
        why="asked for",
    )
    return WorkerSpec(
        target=str(folder),
        spec=AugmentSpec(stain="cd68", reference="pas", noise=NoiseSpec(eps=0.05), max_side=max_side),
        source=source or {"kind": "sample-set"},
        engines=engines,
        store=str(folder / "engines"),
    )
