"""What each precision of a stain's engines costs, as noise, and which of them a run gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from augengine.chain.pair import EnginesSpec
from augengine.compiling.pairs import BuiltPair, OnNote, compile_pairs, exact_of, load_pair
from augengine.compiling.tiles import Tiles
from augengine.engines.base import Backend
from augengine.engines.fidelity import Budget, FloatBatch, choose_precision, measure
from augengine.engines.store import EngineStore
from augengine.errors import SpecError
from augengine.spec import Precision
from augengine.weights.cards import WeightsPair

_BUDGET_PIXELS = 8 * 256 * 256
_TILES = (4, 8)


def build_pairs(
    weights: WeightsPair,
    backend: Backend,
    store: EngineStore,
    *,
    height: int,
    width: int,
    tiles: Tiles,
    precisions: Sequence[Precision] | None = None,
    may_build: bool = True,
    measure_again: bool = False,
    on_note: OnNote = lambda _: None,
) -> list[BuiltPair]:
    """Compile what is missing in each precision, and measure what was not measured.

    Args:
        weights, backend, height, width, precisions, may_build, on_note: The arguments of `compile_pairs`.
        store: Where engines and budgets are kept.
        tiles: Tiles of the stain; read only when something is measured.
        measure_again: Measure also what has a stored budget.

    Returns:
        One pair a precision, fastest first; float32 is always among them.

    Raises:
        EngineError: `compile_pairs` raised it.
    """
    pairs = compile_pairs(
        weights, backend, store, height=height, width=width, precisions=precisions, may_build=may_build, on_note=on_note
    )
    reference = exact_of(pairs)
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
        return "asked for" if asked else "nothing faster runs natively, or could be measured"
    return "; ".join(budget.verdict(eps) for budget in budgets)


def _with_budget(
    pair: BuiltPair, reference: BuiltPair, store: EngineStore, tiles: Tiles, measure_again: bool, note: OnNote
) -> BuiltPair:
    """The pair with its budget; without one, and so only on request, if no tile can be read to measure it on."""
    if pair is reference:
        return pair
    budget = store.read_budget(pair.to_reference, pair.from_reference)
    # Real tiles of the stain replace what was only measured on recoloured ones.
    if budget is None or measure_again or (budget.surrogate and not tiles.surrogate):
        note(f"measuring what {pair.precision} costs in fidelity")
        budget = _measure(pair, reference, store, tiles)
        if budget is None:
            note("no tile can be read to measure on")
            return pair
        store.write_budget(pair.to_reference, pair.from_reference, budget)
    return replace(pair, budget=budget)


def _measure(pair: BuiltPair, reference: BuiltPair, store: EngineStore, tiles: Tiles) -> Budget | None:
    tiles_nchw = tiles.take(budget_tiles(pair.height, pair.width), pair.height, pair.width)
    if tiles_nchw is None:
        return None
    return measure_pair(pair, reference, store, tiles_nchw, surrogate=tiles.surrogate)


def budget_tiles(height: int, width: int) -> int:
    """How many tiles of that size a budget is measured on."""
    fewest, most = _TILES
    return min(most, max(fewest, _BUDGET_PIXELS // (height * width)))


def measure_pair(
    pair: BuiltPair, reference: BuiltPair, store: EngineStore, tiles_nchw: FloatBatch, *, surrogate: bool
) -> Budget:
    """What a pair costs against the float32 one on some tiles; nothing is stored.

    Args:
        pair: To be judged.
        reference: In float32, of the same size.
        store: Holds both.
        tiles_nchw: float32 (T, 3, height, width) in [-1, 1], T >= 1, of the stain.
        surrogate: They are recoloured from another stain; only written down.

    Raises:
        EngineError: An engine fails or gives non-finite values.
    """
    exact, candidate = load_pair(reference, store), load_pair(pair, store)
    try:
        return measure(exact, candidate, tiles_nchw, precision=pair.precision, surrogate=surrogate)
    finally:
        exact.close()
        candidate.close()
