"""The method ``shuffle`` before its first sample: what stands in the place of engines."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import ClassVar

from augengine.chain.pair import EnginesSpec, no_engines
from augengine.chain.shuffle import rule_of, shuffle_markers
from augengine.compiling import Tile, Tiles, showing_tissue
from augengine.dataset.resolved import Run
from augengine.draws.moves import SHUFFLE_VERSION
from augengine.fleet.outfits import SameLibraries
from augengine.machine import cpu_threads
from augengine.spec import ShuffleSpec

_LIBRARIES = ("numpy", "scipy", "scikit-image")
"""What decides the pixels beside OpenCV, which the plan names as its encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleOutfit(SameLibraries):
    """What shuffles markers on a node."""

    DECIDE_BYTES: ClassVar[tuple[str, ...]] = ("augengine", *_LIBRARIES)


def shuffling(run: Run) -> EnginesSpec:
    """What a plan says in the place of engines."""
    height, width = run.listing.largest
    return no_engines(
        height,
        width,
        made_by=", ".join([f"shuffle {SHUFFLE_VERSION}", *(f"{name} {version(name)}" for name in _LIBRARIES)]),
        why="markers are shuffled by colour deconvolution",
    )


def seconds_a_sample(run: Run) -> float:
    """Seconds that a source and its variants take with all CPU threads busy, by one tile of the source."""
    assert run.spec.shuffle is not None
    tiles = Tiles(source=run.source, listing=run.listing, stain=run.stain, known=True)
    (tile, *_), _ = showing_tissue(tiles, 1, *run.listing.largest)
    return _seconds(tile, run.spec.shuffle, run.spec.variants) / cpu_threads()


def _seconds(tile: Tile, spec: ShuffleSpec, variants: int) -> float:
    began = time.perf_counter()
    shuffle_markers((tile.key, tile.image_hwc), rule=rule_of(spec), seed=spec.seed, variants=variants)
    return time.perf_counter() - began
