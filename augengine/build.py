"""Build a stain's engines and measure their noise budget: `build-engines`, and `augment` when one is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from augengine.cards import DIRECTIONS, WeightsPair
from augengine.chain.base import Translators
from augengine.engines.base import Backend, EngineSpec
from augengine.engines.fidelity import Budget, choose_precision, measure
from augengine.engines.store import EngineStore
from augengine.errors import SpecError
from augengine.job import EnginesSpec
from augengine.spec import Precision

DEFAULT_SIZE = 256
"""Side that `build-engines` compiles for, in pixels: the size of the sample set's tiles."""

_BUDGET_PIXELS = 8 * 256 * 256
_TILES = (2, 8)

OnNote = Callable[[str], None]
"""Told in a line what takes a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTiles:
    """Tiles that a noise budget is measured on.

    Attributes:
        tiles_nchw: float32 (T, 3, height, width) in [-1, 1].
        surrogate: Recoloured from another stain's picture.
    """

    tiles_nchw: NDArray[np.float32]
    surrogate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPair:
    """The engines of a stain in one precision.

    Attributes:
        weights: The generators they were made from.
        backend: Name of the backend.
        precision: Of the arithmetic inside.
        height, width: Static size, pixels.
        to_reference, from_reference: Engine ids.
        budget: Against float32; None for float32 itself.
    """

    weights: WeightsPair
    backend: str
    precision: Precision
    height: int
    width: int
    to_reference: str
    from_reference: str
    budget: Budget | None = None


def cpu_threads() -> int:
    """CPU threads this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build_pairs(
    weights: WeightsPair,
    backend: Backend,
    store: EngineStore,
    *,
    height: int,
    width: int,
    tiles: Callable[[int, int, int], BudgetTiles],
    precisions: Sequence[Precision] | None = None,
    measure_again: bool = False,
    on_note: OnNote = lambda _: None,
) -> list[BuiltPair]:
    """Compile what is missing in each precision, and measure what was not measured.

    Args:
        weights: The stain's generators.
        backend: Compiles and runs them.
        store: Where engines and budgets are kept.
        height, width: Static size, pixels.
        tiles: Gives (count, height, width) tiles of the stain; asked only when something is measured.
        precisions: Which to build besides float32; by default all that run natively here.
        measure_again: Measure also what has a stored budget.
        on_note: Told what takes a while.

    Returns:
        One pair a precision, fastest first; float32 is always among them.

    Raises:
        EngineError: A compiler refused, or the store cannot be written.
    """
    wanted = [p for p in backend.precisions() if p == "float32" or precisions is None or p in precisions]
    pairs = [_build_pair(weights, backend, store, p, (height, width), on_note) for p in wanted]
    reference = next(pair for pair in pairs if pair.precision == "float32")
    return [_with_budget(pair, reference, store, tiles, measure_again, on_note) for pair in pairs]


def choose_pair(pairs: Sequence[BuiltPair], eps: float, precision: Precision | None = None) -> EnginesSpec:
    """The fastest pair within the noise budget at ``eps``, or the one of the ``precision`` asked for.

    Raises:
        SpecError: That precision was not built.
    """
    by_precision = {pair.precision: pair for pair in pairs}
    if precision is not None and precision not in by_precision:
        raise SpecError(f"the precision {precision} does not run here", hint=f"{', '.join(by_precision)}, or auto")
    budgets = [pair.budget for pair in pairs if pair.budget is not None]
    chosen = by_precision[precision or choose_precision(budgets, eps)]
    return EnginesSpec(
        to_reference=chosen.to_reference,
        from_reference=chosen.from_reference,
        weights=(chosen.weights.digests["to-reference"], chosen.weights.digests["from-reference"]),
        backend=chosen.backend,
        precision=chosen.precision,
        height=chosen.height,
        width=chosen.width,
        mpp=chosen.weights.mpp,
        why=_why(chosen, budgets, eps, asked=precision is not None),
    )


def _why(chosen: BuiltPair, budgets: Sequence[Budget], eps: float, *, asked: bool) -> str:
    if chosen.budget is not None:
        return chosen.budget.verdict(eps) + (" (asked for)" if asked else "")
    if asked or not budgets:
        return "asked for" if asked else "nothing faster runs natively here"
    return "; ".join(budget.verdict(eps) for budget in budgets)


def _build_pair(
    weights: WeightsPair,
    backend: Backend,
    store: EngineStore,
    precision: Precision,
    size: tuple[int, int],
    note: OnNote,
) -> BuiltPair:
    height, width = size
    spec = EngineSpec(precision=precision, height=height, width=width, batch=backend.static_batch(height, width))
    ids = []
    for direction in DIRECTIONS:
        stored = store.find(weights.digests[direction], backend, spec)
        if stored is None:
            note(f"compiling {weights.reference}-{weights.stain} {direction}, {precision}, {width} x {height} px")
            stored = store.build(weights.path(direction), backend, spec)
        ids.append(stored.id)
    return BuiltPair(
        weights=weights,
        backend=backend.name,
        precision=precision,
        height=height,
        width=width,
        to_reference=ids[0],
        from_reference=ids[1],
    )


def _with_budget(
    pair: BuiltPair,
    reference: BuiltPair,
    store: EngineStore,
    tiles: Callable[[int, int, int], BudgetTiles],
    measure_again: bool,
    note: OnNote,
) -> BuiltPair:
    if pair is reference:
        return pair
    budget = None if measure_again else store.read_budget(pair.to_reference, pair.from_reference)
    if budget is None:
        note(f"measuring what {pair.precision} costs in fidelity")
        budget = _measure(pair, reference, store, tiles)
        store.write_budget(pair.to_reference, pair.from_reference, budget)
    return replace(pair, budget=budget)


def _measure(
    pair: BuiltPair, reference: BuiltPair, store: EngineStore, tiles: Callable[[int, int, int], BudgetTiles]
) -> Budget:
    fewest, most = _TILES
    count = min(most, max(fewest, _BUDGET_PIXELS // (pair.height * pair.width)))
    of_stain = tiles(count, pair.height, pair.width)
    exact, candidate = _load(reference, store), _load(pair, store)
    try:
        return measure(exact, candidate, of_stain.tiles_nchw, precision=pair.precision, surrogate=of_stain.surrogate)
    finally:
        for engine in (exact.to_reference, exact.from_reference, candidate.to_reference, candidate.from_reference):
            engine.close()


def _load(pair: BuiltPair, store: EngineStore) -> Translators:
    threads = cpu_threads()
    return Translators(
        to_reference=store.load(pair.to_reference, threads=threads),
        from_reference=store.load(pair.from_reference, threads=threads),
    )
