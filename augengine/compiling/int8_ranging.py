"""Where the ranges of int8 are measured: on a source's most marked tiles, none of which judges the pair."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from augengine.chain.translate import normalise
from augengine.compiling.tiles import Tile, Tiles
from augengine.compiling.tissue_tiles import tiles_with_most_marker
from augengine.digests import json_digest
from augengine.engines.fidelity import FloatBatch
from augengine.engines.onnx_int8 import residual_blocks
from augengine.engines.onnx_types import read_model
from augengine.errors import SourceError
from augengine.spec import Precision
from augengine.weights.cards import DIRECTIONS, WeightsPair

_FORMAT = 2
"""Counts up when ranges are measured in another way."""

_RANGED = 3
"""Tiles with the most marker, for each that judges; those that judge are then left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranging:
    """Where ranges are measured.

    Attributes:
        weights: The pair.
        tiles: Tiles of the source, in its own order: what a verdict prefers must not decide bytes.
        height, width: Size of the engines in pixels.
        judging: How many tiles judge the pair.
        others: Precision of all that is not int8.
    """

    weights: WeightsPair
    tiles: Tiles
    height: int
    width: int
    judging: int
    others: Precision

    @property
    def name(self) -> str:
        """A digest of all that decides the ranges."""
        own = [_FORMAT, dict(self.weights.digests), *self.tiles.identity(), self.height, self.width, self.judging]
        return json_digest([*own, self.others])

    def has_blocks(self) -> bool:
        """Whether both generators have residual blocks of augengine's own form; nothing is measured yet."""
        return all(residual_blocks(read_model(self.weights.path(direction))) for direction in DIRECTIONS)

    def judges(self) -> list[Tile]:
        """The tiles that judge, spread over the source.

        Raises:
            SourceError: None can be read.
        """
        found = self.tiles.each(self.judging, self.height, self.width)
        if judges := [each for each in found if isinstance(each, Tile)][: self.judging]:
            return judges
        raise SourceError("no tile can be read to judge int8 on")

    def marked(self) -> FloatBatch:
        """The tiles with the most marker: what marks a marker is loud on those, and hardly anywhere else.

        Returns:
            float32 (T, 3, height, width) in [-1, 1]; none of those that judge, unless there are no others.
        """
        judges, marked = self.judges(), tuple[Tile, ...]()
        with suppress(SourceError):  # no tissue: the judges will do
            count = self.judging * _RANGED
            marked = tiles_with_most_marker(self.tiles, count, self.height, self.width).shown
        keys = {each.key for each in judges}
        chosen = [each for each in marked if each.key not in keys] or judges
        return np.ascontiguousarray(normalise([each.image_hwc for each in chosen]))


def ranging_on(
    weights: WeightsPair, tiles: Tiles, height: int, width: int, *, judging: int, others: Precision
) -> Ranging:
    """Where a pair's ranges are measured; the arguments are the attributes of `Ranging`."""
    plain = replace(tiles, preferred=())
    return Ranging(weights=weights, tiles=plain, height=height, width=width, judging=judging, others=others)
