"""What each precision of a stain's engines costs, as noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from augengine.compiling.choosing import with_rates
from augengine.compiling.int8_pair import Int8Search
from augengine.compiling.int8_ranging import ranging_on
from augengine.compiling.pairs import BuiltPair, OnNote, compile_pairs, exact_of, load_pair
from augengine.compiling.tiles import Tiles
from augengine.engines.base import Backend
from augengine.engines.fidelity import Budget, FloatBatch, Judge
from augengine.engines.store import EngineStore
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
    eps: float | None = None,
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
        eps: Upper bound of the noise that int8 is made for; without it there is no int8.
        measure_again: Measure also what has a stored budget.

    Returns:
        One pair a precision, fastest first; float32 is always among them.

    Raises:
        EngineError: `compile_pairs` raised it.
        SpecError: int8 was asked for by name, and does not run here or does not fit.
    """
    asked = precisions is not None and "int8" in precisions
    plain = None if asked else precisions  # around int8 everything runs in the 16-bit type
    pairs = compile_pairs(
        weights, backend, store, height=height, width=width, precisions=plain, may_build=may_build, on_note=on_note
    )
    exact = exact_of(pairs)
    judged = [_with_budget(pair, exact, store, tiles, measure_again, on_note) for pair in pairs]
    if eps is None or not (asked or precisions is None):
        return judged
    half = next((pair for pair in judged if pair is not exact), None)
    others = half.precision if half else exact.precision
    search = Int8Search(
        ranging=ranging_on(weights, tiles, height, width, judging=budget_tiles(height, width), others=others),
        backend=backend,
        store=store,
        exact=exact,
        half=half,
        measure_again=measure_again,
        note=on_note if may_build else None,
    )
    made = search.demand(eps) if asked else search.offer(eps)
    built = [*([made] if made else []), *judged]
    return built if asked else with_rates(built, store, eps, measure_again=measure_again, note=on_note)


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
        return Judge(exact, tiles_nchw, surrogate=surrogate).budget(candidate, pair.precision)
    finally:
        exact.close()
        candidate.close()
