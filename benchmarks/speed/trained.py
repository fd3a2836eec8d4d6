"""Fidelity beside speed: the committed pairs, what each precision gains and the noise that its error equals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from augengine.chain.translate import run_engine
from augengine.compiling import BuiltPair, Tiles, build_pairs
from augengine.engines.backends import pick_backend
from augengine.engines.store import EngineStore, own_store
from augengine.machine import cpu_threads
from augengine.sources import open_source
from augengine.sources.sample_set import STAIN
from augengine.stains import BUILT_IN
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from benchmarks.rounds import Contender, interleave, row

TRAINED = STAIN
"""The stain whose tiles, and the pair that knows them, come with the package."""

_IMAGES = 8


def trained_rows(side: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Precision -> rate of one pass of the committed pair, and the sigma that its error equals; null beyond measure."""
    source, store = open_source(None, stain=TRAINED), own_store()
    tiles = Tiles(source=source, listing=source.scan(), stain=BUILT_IN[TRAINED], known=True)
    weights = find_weights("pas", TRAINED, weight_roots(sample_set=True))
    pairs = build_pairs(weights, pick_backend("auto"), store, height=side, width=side, tiles=tiles)
    contenders = [_pass(pair, store, tiles) for pair in pairs]
    seconds = interleave(contenders, rounds)
    return {
        pair.precision: row(each, seconds[each.name], {}) | {"equivalent_sigma": _sigma(pair)}
        for pair, each in zip(pairs, contenders, strict=True)
    }


def _pass(pair: BuiltPair, store: EngineStore, tiles: Tiles) -> Contender:
    engine = store.load(pair.to_reference, threads=cpu_threads())
    x = tiles.take(_IMAGES, pair.height, pair.width)
    assert x is not None
    out = np.empty_like(x)
    return Contender(name=pair.precision, run=lambda: run_engine(engine, x, out), images=len(x))


def _sigma(pair: BuiltPair) -> float | None:
    if pair.budget is None:
        return 0.0
    sigma = pair.budget.equivalent_sigma
    return None if math.isinf(sigma) else float(f"{sigma:.3g}")
