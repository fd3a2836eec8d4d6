"""The ranges of a pair's int8 forms, measured on a source: on its most marked tiles, none of which judges the pair."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from augengine.chain.pair import Int8Forms
from augengine.chain.translate import normalise
from augengine.compiling.pairs import OnNote
from augengine.compiling.tiles import Tile, Tiles
from augengine.compiling.tissue_tiles import with_most_marker
from augengine.digests import json_digest
from augengine.engines._openvino_peaks import measure_form
from augengine.engines.base import Engine
from augengine.engines.fidelity import FloatBatch, run_on_host
from augengine.engines.int8_form import Int8Form
from augengine.engines.onnx_int8 import residual_blocks
from augengine.engines.onnx_types import read_model
from augengine.engines.store import EngineStore
from augengine.errors import SourceError
from augengine.json_values import from_json
from augengine.spec import Precision
from augengine.weights.cards import DIRECTIONS, WeightsPair

_FOLDER = "int8-ranges"
_FORMAT = 1
"""Counts up when ranges are measured in another way."""

_LOOKED_AT = 64
_RANGED = 3
"""Tiles with the most marker, for each that judges; those that judge are then left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """What a pair's residual blocks take on a source.

    Attributes:
        to_reference, from_reference: Every residual block of the generator.
    """

    to_reference: Int8Form
    from_reference: Int8Form

    @property
    def blocks(self) -> tuple[tuple[int, str], ...]:
        """All blocks: 0 for the generator to the reference or 1 for the one back, and the block's name."""
        forms = (self.to_reference, self.from_reference)
        return tuple((index, block) for index, form in enumerate(forms) for block in form.blocks)

    def only(self, blocks: frozenset[tuple[int, str]]) -> Int8Forms:
        """The forms with some of the blocks."""
        there, back = (frozenset(block for index, block in blocks if index == number) for number in (0, 1))
        return self.to_reference.of_blocks(there), self.from_reference.of_blocks(back)


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


def find_ranges(
    ranging: Ranging,
    store: EngineStore,
    to_reference: Callable[[], Engine],
    *,
    measure_again: bool,
    note: OnNote | None,
) -> Ranges | None:
    """What was measured before on this source, or what is measured now; None if it may not be.

    Args:
        ranging: Where; its generators have residual blocks.
        store: Keeps the ranges.
        to_reference: Gives the float32 engine.
        measure_again: Do not look at what was measured before.
        note: Told what takes a while; None forbids measuring.

    Raises:
        SourceError: No tile can be read.
        EngineError: OpenVINO fails.
    """
    known = None if measure_again else store.read_record(partial(from_json, Ranges), _FOLDER, ranging.name)
    if known is not None or note is None:
        return known
    note("measuring the ranges of int8")
    b_nchw = _ranging_tiles(ranging)
    weights, others = ranging.weights, ranging.others
    there = measure_form(weights.to_reference, b_nchw, others)
    back = measure_form(weights.from_reference, run_on_host(to_reference(), b_nchw), others)
    found = Ranges(to_reference=there, from_reference=back)
    store.keep_record(_FOLDER, ranging.name, found)
    return found


def _ranging_tiles(ranging: Ranging) -> FloatBatch:
    """The tiles with the most marker: what marks a marker is loud on those, and hardly anywhere else."""
    judges, marked = ranging.judges(), tuple[Tile, ...]()
    with suppress(SourceError):  # no tissue: the judges will do
        marked, _ = with_most_marker(
            ranging.tiles, ranging.judging * _RANGED, ranging.height, ranging.width, looked_at=_LOOKED_AT
        )
    keys = {each.key for each in judges}
    chosen = [each for each in marked if each.key not in keys] or judges
    return np.ascontiguousarray(normalise([each.image_hwc for each in chosen]))


def ranging_on(
    weights: WeightsPair, tiles: Tiles, height: int, width: int, *, judging: int, others: Precision
) -> Ranging:
    """Where a pair's ranges are measured; the arguments are the attributes of `Ranging`."""
    plain = replace(tiles, preferred=())
    return Ranging(weights=weights, tiles=plain, height=height, width=width, judging=judging, others=others)
