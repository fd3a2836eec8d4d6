"""Slides and annotations to source shards.

A run goes request -> slides listed -> each surveyed (its tiles chosen) -> plan -> shards -> summary.
"""

from augengine.tiling.outcome import TileSummary
from augengine.tiling.request import TileRequest
from augengine.tiling.run import tile

__all__ = ["TileRequest", "TileSummary", "tile"]
