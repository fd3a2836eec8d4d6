"""The ranges of a pair's int8 forms, measured on a source: its most marked tiles, none of which judges the pair."""

from __future__ import annotations

from dataclasses import dataclass
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
from augengine.engines.store import EngineStore
from augengine.errors import SourceError
from augengine.json_values import from_json
from augengine.weights.cards import WeightsPair

_FOLDER = "int8-ranges"
_FORMAT = 1
"""Counts up when ranges are measured in another way."""

_LOOKED_AT = 64
_RANGED = 2
"""Tiles that ranges are measured on, for each that judges."""


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


def find_ranges(
    weights: WeightsPair,
    store: EngineStore,
    tiles: Tiles,
    to_reference: Engine,
    judging: int,
    *,
    measure_again: bool,
    note: OnNote | None,
) -> Ranges | None:
    """What was measured before on this source, or what is measured now; None for generators without such blocks.

    Args:
        weights: The pair.
        store: Keeps the ranges.
        tiles: Tiles of the source.
        to_reference: The float32 engine, for the size of the tiles.
        judging: How many tiles judge the pair; the same are not taken here, unless there are no others.
        measure_again: Do not look at what was measured before.
        note: Told what takes a while; None forbids measuring.

    Raises:
        SourceError: The source holds no tile.
        EngineError: OpenVINO fails.
    """
    name = json_digest(
        [_FORMAT, dict(weights.digests), *tiles.identity(), to_reference.height, to_reference.width, judging]
    )
    known = None if measure_again else store.read_record(partial(from_json, Ranges), _FOLDER, name)
    if known is not None or note is None:
        return known
    found = _measure(weights, _ranging(tiles, judging, to_reference.height, to_reference.width), to_reference)
    if found is not None:
        store.write_record(_FOLDER, name, found)
    return found


def _measure(weights: WeightsPair, b_nchw: FloatBatch, to_reference: Engine) -> Ranges | None:
    there = measure_form(weights.to_reference, b_nchw)
    back = measure_form(weights.from_reference, run_on_host(to_reference, b_nchw))
    return None if there is None or back is None else Ranges(to_reference=there, from_reference=back)


def _ranging(tiles: Tiles, judging: int, height: int, width: int) -> FloatBatch:
    """The tiles with the most marker: what marks a marker is loud on those, and hardly anywhere else."""
    judges = [each for each in tiles.each(judging, height, width) if isinstance(each, Tile)][:judging]
    keys = {each.key for each in judges}
    try:
        marked, _ = with_most_marker(tiles, judging * (_RANGED + 1), height, width, looked_at=_LOOKED_AT)
    except SourceError:  # no tissue: the judges will do
        marked = ()
    chosen = [each for each in marked if each.key not in keys][: judging * _RANGED] or judges
    if not chosen:
        raise SourceError("no tile can be read to measure the ranges of int8 on")
    return np.ascontiguousarray(normalise([each.image_hwc for each in chosen]))
