"""Compile a stain's generators in every precision, measure what each costs, choose one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from augengine.build.tiles import Tiles
from augengine.cards import DIRECTIONS, WeightsPair
from augengine.chain.base import Translators
from augengine.engines.base import Backend, EngineSpec
from augengine.engines.fidelity import Budget, choose_precision, measure, run_on_host
from augengine.engines.store import EngineStore
from augengine.errors import EngineError, SpecError
from augengine.job import EnginesSpec
from augengine.machine import cpu_threads
from augengine.spec import Precision

_BUDGET_PIXELS = 8 * 256 * 256
_TILES = (4, 8)

OnNote = Callable[[str], None]
"""Told in a line what takes a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPair:
    """The engines of a stain in one precision.

    Attributes:
        weights: The generators they were made from.
        backend: Name of the backend.
        precision: Of the arithmetic inside.
        height, width: Static size, pixels.
        to_reference, from_reference: Engine ids.
        budget: Against float32; None for float32 itself, and where no tile could be read.
    """

    weights: WeightsPair
    backend: str
    precision: Precision
    height: int
    width: int
    to_reference: str
    from_reference: str
    budget: Budget | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return {
            "stain": self.weights.stain,
            "reference": self.weights.reference,
            "backend": self.backend,
            "precision": self.precision,
            "height": self.height,
            "width": self.width,
            "to_reference": self.to_reference,
            "from_reference": self.from_reference,
            "budget": None if self.budget is None else self.budget.to_json(),
        }


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
        weights: The stain's generators.
        backend: Compiles and runs them.
        store: Where engines and budgets are kept.
        height, width: Static size, pixels.
        tiles: Tiles of the stain; read only when something is measured.
        precisions: Which to build besides float32; by default all that run natively here.
        may_build: Whether a missing engine may be compiled.
        measure_again: Measure also what has a stored budget.
        on_note: Told what takes a while.

    Returns:
        One pair a precision, fastest first; float32 is always among them.

    Raises:
        EngineError: A compiler refused, the store cannot be written, or an engine is missing and may not be built.
    """
    wanted = [p for p in backend.precisions() if p == "float32" or precisions is None or p in precisions]
    pairs = [_build_pair(weights, backend, store, p, (height, width), on_note if may_build else None) for p in wanted]
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
        return "asked for" if asked else "nothing faster runs natively, or could be measured"
    return "; ".join(budget.verdict(eps) for budget in budgets)


def _build_pair(
    weights: WeightsPair,
    backend: Backend,
    store: EngineStore,
    precision: Precision,
    size: tuple[int, int],
    note: OnNote | None,
) -> BuiltPair:
    height, width = size
    spec = EngineSpec(precision=precision, height=height, width=width, batch=backend.static_batch(height, width))
    ids = []
    for direction in DIRECTIONS:
        stored = store.find(weights.digests[direction], backend, spec)
        if stored is None:
            what = f"{weights.reference}-{weights.stain} {direction}, {precision}, {width} x {height} px"
            if note is None:
                hint = f"augengine build-engines --stain {weights.stain} --size {max(size)}, or leave out --no-build"
                raise EngineError(f"there is no engine for {what}", hint=hint)
            note(f"compiling {what}")
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
    fewest, most = _TILES
    count = min(most, max(fewest, _BUDGET_PIXELS // (pair.height * pair.width)))
    tiles_nchw = tiles.take(count, pair.height, pair.width)
    if tiles_nchw is None:
        return None
    exact, candidate = load_pair(reference, store), load_pair(pair, store)
    try:
        return measure(exact, candidate, tiles_nchw, precision=pair.precision, surrogate=tiles.surrogate)
    finally:
        exact.close()
        candidate.close()


def load_pair(pair: BuiltPair, store: EngineStore) -> Translators:
    """Load a pair's engines, with every CPU thread; the caller closes them. Errors as in `EngineStore.load`."""
    threads = cpu_threads()
    return Translators(
        to_reference=store.load(pair.to_reference, threads=threads),
        from_reference=store.load(pair.from_reference, threads=threads),
    )


def seconds_a_pass(store: EngineStore, engine_id: str) -> float:
    """Seconds that an engine takes an image with all CPU threads busy; the better of two calls after a warm-up."""
    threads = cpu_threads()
    engine = store.load(engine_id, threads=threads)
    try:
        x = np.zeros((min(engine.batch, threads), 3, engine.height, engine.width), dtype=np.float32)
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            run_on_host(engine, x)
            seconds.append(time.perf_counter() - began)
    finally:
        engine.close()
    return min(seconds[1:]) / len(x)
