"""What a node of a cluster needs before it cuts tiles: the same libraries, and the slides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from augengine.fleet.outfits import SameLibraries
from augengine.slides import readers_version


@dataclass(frozen=True, slots=True, kw_only=True)
class TileOutfit(SameLibraries):
    """What cuts tiles on a node; ``reads`` are slides and annotations."""

    DECIDE_BYTES: ClassVar[tuple[str, ...]] = ("augengine", "numpy", "pillow", "shapely")

    def machine(self) -> str:
        """Everything about this machine that decides bytes; the libraries that read slides too."""
        return f"{SameLibraries.machine(self)}, {readers_version()}"
