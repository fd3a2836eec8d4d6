"""What each precision that runs here costs on the very tiles that are looked at."""

from __future__ import annotations

import numpy as np

from augengine.compiling import BuiltPair, budget_tiles, compile_pairs, measure_pair
from augengine.engines.store import EngineStore, own_store
from augengine.probing.report import Cost
from augengine.probing.specimen import OnNote, Specimen


def measure_costs(specimen: Specimen, note: OnNote) -> tuple[Cost, ...]:
    """The noise that each precision's error equals, on the specimen's first tiles; missing engines are compiled.

    A stored budget may be of other tissue, and is neither taken nor replaced.

    Raises:
        EngineError: A compiler refuses, or an engine fails.
    """
    exact, store = specimen.exact, own_store()
    pairs = compile_pairs(
        specimen.weights, specimen.backend, store, height=exact.height, width=exact.width, on_note=note
    )
    return tuple(_cost(pair, specimen, store, note) for pair in pairs)


def _cost(pair: BuiltPair, specimen: Specimen, store: EngineStore, note: OnNote) -> Cost:
    if pair.precision == "float32":
        return Cost(precision=pair.precision, budget=None)
    note(f"measuring what {pair.precision} costs in fidelity")
    tiles = np.stack(specimen.inputs[: budget_tiles(pair.height, pair.width)])
    budget = measure_pair(pair, specimen.exact, store, tiles, surrogate=specimen.surrogate)
    return Cost(precision=pair.precision, budget=budget)
