"""The verdict on a pair, measured once on each source: what `augment` looks at before it uses the pair."""

from __future__ import annotations

from collections.abc import Callable

from augengine.compiling.exact_engines import exact_engines
from augengine.compiling.known_verdicts import keep_verdict, known_verdict
from augengine.compiling.tiles import Tiles
from augengine.compiling.tissue_tiles import tiles_to_judge, to_inputs
from augengine.errors import SourceError
from augengine.measures import run_cycles
from augengine.measures.pair_verdict import MAX_TILES, PairVerdict, judge_pair, no_tissue
from augengine.measures.tile_numbers import number_tiles
from augengine.measures.verdict import DEFAULT_RULE
from augengine.spec import BackendName, round_side
from augengine.weights.cards import WeightsPair

_SIDE = 256
"""Longest side of a tile, px: eight of them take 40 passes, about 16 s on two cores for the package's pairs."""


def find_verdict(
    weights: WeightsPair, tiles: Tiles, eps: float, backend: BackendName, note: Callable[[str], None]
) -> PairVerdict:
    """What was found before for this pair on this source, or what is measured now.

    Args:
        weights: The pair.
        tiles: Tiles of the source.
        eps: The strongest noise of the run.
        backend: Runs the float32 engines.
        note: Told what takes a while.

    Raises:
        AugengineError: No backend, a compiler that refuses, or a source that cannot be read.
    """
    if (known := known_verdict(weights, tiles, eps)) is not None:
        return known
    note("looking at the pair on tiles of the source, once")
    found = _measure(weights, tiles, eps, backend, note)
    keep_verdict(weights, tiles, eps, found)
    return found


def _measure(
    weights: WeightsPair, tiles: Tiles, eps: float, backend: BackendName, note: Callable[[str], None]
) -> PairVerdict:
    height, width = (round_side(min(side, _SIDE), weights.multiple) for side in tiles.listing.largest)
    try:
        found = tiles_to_judge(tiles, MAX_TILES, height, width)
    except SourceError as error:
        return no_tissue(error.message)
    images, keys = [tile.image_hwc for tile in found.shown], [tile.key for tile in found.shown]
    with exact_engines(weights, backend, height, width, note) as engines:
        cycles = run_cycles(keys, to_inputs(found.shown), engines.to_reference, engines.from_reference)
        numbers = number_tiles(images, cycles, engines.from_reference, found.markers, DEFAULT_RULE, sigmas=(eps,))
    return judge_pair(numbers, keys=tuple(keys), surrogate=tiles.surrogate)
