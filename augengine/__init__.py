"""Stain-translation augmentation for digital pathology, at scale.

Names are loaded when they are first used, so that ``import augengine`` costs nothing and a trainer that only wants
`pick` gets no engine, decoder or cluster with it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augengine.compiling import build_stains
    from augengine.dataset import AugmentRequest, Summary, augment, draw_sheet, predict, replay
    from augengine.dataset.augmenter import Augmenter
    from augengine.draws.choose import pick
    from augengine.errors import AugengineError
    from augengine.loader import open_dataset
    from augengine.probing import probe
    from augengine.progress import Watcher
    from augengine.shards.verify import Verification, verify
    from augengine.spec import NoiseSpec
    from augengine.stains import Stain, find_stain
    from augengine.tiling import TileRequest, tile

    __version__: str

_HOMES = {
    "AugengineError": "errors",
    "AugmentRequest": "dataset",
    "Augmenter": "dataset.augmenter",
    "NoiseSpec": "spec",
    "Stain": "stains",
    "Summary": "dataset",
    "TileRequest": "tiling",
    "Verification": "shards",
    "Watcher": "progress",
    "augment": "dataset",
    "build_stains": "compiling",
    "draw_sheet": "dataset",
    "find_stain": "stains",
    "open_dataset": "loader",
    "pick": "draws.choose",
    "predict": "dataset",
    "probe": "probing",
    "replay": "dataset",
    "tile": "tiling",
    "verify": "shards",
}
"""Public name -> the module it lives in."""

__all__ = [
    "AugengineError",
    "AugmentRequest",
    "Augmenter",
    "NoiseSpec",
    "Stain",
    "Summary",
    "TileRequest",
    "Verification",
    "Watcher",
    "__version__",
    "augment",
    "build_stains",
    "draw_sheet",
    "find_stain",
    "open_dataset",
    "pick",
    "predict",
    "probe",
    "replay",
    "tile",
    "verify",
]


if not TYPE_CHECKING:  # a type checker would take any name for a public one

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # 20 ms that only this name needs

            return version("augengine")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        except ModuleNotFoundError as error:
            from augengine.errors import missing_package

            raise missing_package(f"augengine.{name}", error, "'augengine[write]'") from error
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
