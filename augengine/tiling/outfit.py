"""What a node of a cluster needs before it cuts tiles: the same libraries, and the slides."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from augengine.pictures.encode import encoder_version
from augengine.slides import readers_version
from augengine.tiling.opened import TileWorkerSpec

_DECIDE_BYTES = ("augengine", "numpy", "pillow", "shapely")
"""What computes tiles and masks from what is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileOutfit:
    """What cuts tiles on a node; nothing is sent there.

    Attributes:
        reads: Slides and annotations.
        files: None.
    """

    reads: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def machine(self) -> str:
        """Everything about this machine that decides bytes: its kind, and the versions that read, draw and encode."""
        own = ", ".join(f"{name} {version(name)}" for name in _DECIDE_BYTES)
        return f"{platform.machine()}, {own}, {readers_version()}, {encoder_version()}"

    def fit(self, worker: TileWorkerSpec, fetch: Callable[[str], bytes]) -> TileWorkerSpec:  # noqa: ARG002 - the seam's
        """The worker's spec as it is: nodes whose bytes differ are refused before."""
        return worker
