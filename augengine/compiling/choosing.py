"""Which of a stain's engines a run gets: the fastest by the clock whose error fits the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from augengine.chain.pair import EnginesSpec
from augengine.compiling.pairs import BuiltPair, OnNote, seconds_a_pass
from augengine.engines.store import EngineStore
from augengine.errors import SpecError
from augengine.json_values import from_json
from augengine.progress import counted
from augengine.spec import Precision
from augengine.weights.cards import DIRECTIONS, Direction

WORTH = 1.1
"""How many times as fast a less exact pair must be to be taken: clocks scatter, and exactness is worth something."""

_RATES = "rates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast an engine was when it was first timed in this home.

    Attributes:
        seconds: What an image takes, with all CPU threads busy.
    """

    seconds: float


def with_rates(
    pairs: Sequence[BuiltPair], store: EngineStore, eps: float, *, measure_again: bool, note: OnNote
) -> list[BuiltPair]:
    """The pairs, and of those that fit eps also what an image takes there and back.

    Args:
        pairs: Of one size.
        store: Holds the engines, and keeps their rates.
        eps: Upper bound of the noise's standard deviation.
        measure_again: Time also what was timed before.
        note: Told what takes a while.

    Raises:
        EngineError: An engine fails, or the store cannot be written.
    """
    fitting = [pair for pair in pairs if _fits(pair, eps)]
    if len(fitting) == 1:
        return list(pairs)
    return [_timed(pair, store, measure_again, note) if pair in fitting else pair for pair in pairs]


def choose_pair(pairs: Sequence[BuiltPair], eps: float, precision: Precision | None = None) -> EnginesSpec:
    """The fastest pair within the noise budget at ``eps``, or the one of the ``precision`` asked for.

    A less exact pair is taken only if it is at least `WORTH` times as fast. Pairs that were not timed are taken to be
    given fastest first.

    Raises:
        SpecError: That precision was not built.
    """
    by_precision = {pair.precision: pair for pair in pairs}
    if precision is not None and precision not in by_precision:
        raise SpecError(f"the precision {precision} does not run here", hint=f"{', '.join(by_precision)}, or auto")
    chosen = by_precision[precision] if precision else _fastest(pairs, eps)
    return EnginesSpec(
        to_reference=chosen.to_reference,
        from_reference=chosen.from_reference,
        weights=(chosen.weights.digests["to-reference"], chosen.weights.digests["from-reference"]),
        backend=chosen.backend,
        precision=chosen.precision,
        height=chosen.height,
        width=chosen.width,
        mpp=chosen.weights.mpp,
        why=_why(chosen, pairs, eps, asked=precision is not None),
        int8=chosen.int8,
    )


def _fits(pair: BuiltPair, eps: float) -> bool:
    return pair.precision == "float32" or (pair.budget is not None and pair.budget.fits(eps))


def _fastest(pairs: Sequence[BuiltPair], eps: float) -> BuiltPair:
    fitting = [pair for pair in pairs if _fits(pair, eps)]
    if any(pair.seconds is None for pair in fitting):
        return fitting[0]
    chosen, *others = sorted(fitting, key=_error)
    for pair in others:
        if _seconds(pair) * WORTH <= _seconds(chosen):
            chosen = pair
    return chosen


def _error(pair: BuiltPair) -> float:
    return pair.budget.equivalent_sigma if pair.budget else 0.0


def _seconds(pair: BuiltPair) -> float:
    assert pair.seconds is not None
    return pair.seconds


def _timed(pair: BuiltPair, store: EngineStore, measure_again: bool, note: OnNote) -> BuiltPair:
    known = partial(_rate, pair, store, measure_again, note)
    return replace(pair, seconds=known(DIRECTIONS[0], pair.to_reference) + known(DIRECTIONS[1], pair.from_reference))


def _rate(
    pair: BuiltPair, store: EngineStore, measure_again: bool, note: OnNote, direction: Direction, name: str
) -> float:
    known = None if measure_again else store.read_record(partial(from_json, Rate), _RATES, name)
    if known is None:
        note(f"timing {pair.weights.reference}-{pair.weights.stain} {direction}, {pair.precision}")
        known = Rate(seconds=seconds_a_pass(store, name))
        store.keep_record(_RATES, name, known)
    return known.seconds


def _why(chosen: BuiltPair, pairs: Sequence[BuiltPair], eps: float, *, asked: bool) -> str:
    budgets = [pair.budget for pair in pairs if pair.budget is not None]
    if chosen.budget is not None:
        return f"{chosen.budget.verdict(eps)}{_on_blocks(chosen)}" + (" (asked for)" if asked else "")
    if asked or not budgets:
        return "asked for" if asked else "nothing faster runs natively, or could be measured"
    if faster := [pair for pair in pairs if pair is not chosen and _fits(pair, eps)]:
        return "; ".join(
            f"{pair.precision} takes {_seconds(pair) / _seconds(chosen):.2f} of its time" for pair in faster
        )
    return "; ".join(budget.verdict(eps) for budget in budgets)


def _on_blocks(chosen: BuiltPair) -> str:
    if chosen.precision != "int8":
        return ""
    left_out = f", all but {', '.join(chosen.left_out)}" if chosen.left_out else ", all there are"
    return f"; int8 in {counted(len(chosen.int8_blocks), 'residual block')}{left_out}"
