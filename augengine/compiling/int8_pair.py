"""int8 within the noise budget: as many residual blocks of a pair as eps bears."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from augengine.chain.base import Translators
from augengine.compiling.int8_ranges import Ranges, find_ranges
from augengine.compiling.pairs import BuiltPair, OnNote, build_pair, load_pair, name_blocks
from augengine.compiling.tiles import Tiles
from augengine.engines.base import Backend
from augengine.engines.fidelity import EPS_SHARE, Budget, FloatBatch, Judge
from augengine.engines.store import EngineStore
from augengine.errors import EngineError, SourceError, SpecError
from augengine.json_values import from_json
from augengine.weights.cards import WeightsPair

Block = tuple[int, str]
"""0 for the generator to the reference or 1 for the one back, and the name of one of its residual blocks."""

_SENSITIVITY = "int8-sensitivity"
_FORMAT = 1
_MAX_SIGMA = 1.0
"""Stands for errors beyond all noise that was measured: json knows no infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What each residual block of a pair costs alone in int8.

    Attributes:
        format: Counts up when it is measured in another way.
        blocks: The blocks, the dearest first.
        sigmas: The noise that the error of each equals, beside everything else in the 16-bit type.
    """

    format: int
    blocks: tuple[Block, ...]
    sigmas: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Search:
    """Looks for the int8 engines of a pair.

    Attributes:
        weights, backend, store: As in `build_pairs`.
        reference: The float32 pair.
        sixteen: The pair in the machine's 16-bit type; None if it has none.
        tiles: Tiles of the source.
        judging: How many of them judge a pair.
        measure_again: Do not look at what was measured before.
        note: Told what takes a while; None forbids compiling and measuring.
    """

    weights: WeightsPair
    backend: Backend
    store: EngineStore
    reference: BuiltPair
    sixteen: BuiltPair | None
    tiles: Tiles
    judging: int
    measure_again: bool
    note: OnNote | None

    def demand(self, eps: float) -> BuiltPair:
        """The pair that `find` finds, asked for by name.

        Raises:
            SpecError: This machine or these generators have no int8, or not one block fits eps.
        """
        if reason := self.backend.why_no_int8():
            raise SpecError(f"int8 does not run here: {reason}", hint="--precision auto takes another")
        if (found := self.find(eps)) is None:
            raise SpecError(
                f"not one residual block of {self.weights.stain}'s pair bears int8 at eps {eps:g}",
                hint="--precision auto takes another; more noise bears more",
            )
        return found

    def offer(self, eps: float) -> BuiltPair | None:
        """The pair that `find` finds; None wherever `demand` refuses, or something is missing."""
        if self.backend.why_no_int8() or not _may_fit(self.sixteen, eps):
            return None
        missing = (EngineError,) if self.note is None else ()  # then nothing may be built
        with suppress(SpecError, SourceError, *missing):
            return self.find(eps)
        return None

    def find(self, eps: float) -> BuiltPair | None:
        """The pair with the most int8 blocks whose error fits eps; None if not even one block fits.

        Raises:
            SpecError: The generators have no residual blocks of augengine's own form.
            SourceError: No tile can be read.
            EngineError: A compiler or an engine fails, or something is missing and may not be built.
        """
        exact = load_pair(self.reference, self.store)
        try:
            ranges = self._ranges(exact)
            b_nchw = self.tiles.take(self.judging, self.reference.height, self.reference.width)
            if b_nchw is None:
                raise SourceError("no tile can be read to judge int8 on")
            judge = _LateJudge(exact, b_nchw, surrogate=self.tiles.surrogate)
            return next((pair for pair in self._rungs(ranges, judge, eps) if _fits(pair, eps)), None)
        finally:
            exact.close()

    def _ranges(self, exact: Translators) -> Ranges:
        found = find_ranges(
            self.weights,
            self.store,
            self.tiles,
            exact.to_reference,
            self.judging,
            measure_again=self.measure_again,
            note=self.note,
        )
        if found is None and self.note is None:
            raise EngineError("the ranges of int8 are not measured on this source", hint="leave out --no-build")
        if found is None:
            raise SpecError(
                f"int8 needs generators with residual blocks of augengine's own form, and {self.weights.stain}'s "
                "have none",
                hint="--precision auto takes another",
            )
        return found

    def _rungs(self, ranges: Ranges, judge: _LateJudge, eps: float) -> Iterator[BuiltPair]:
        """Pairs with ever fewer blocks: all, then without the dearest, as the sum of squares predicts."""
        everything = frozenset(ranges.blocks)
        first = self._judged(ranges, everything, judge)
        yield first
        if first.budget is None or not first.budget.responds:
            return
        dear = self._sensitivity(ranges, judge)
        for dropped in range(_first_rung(dear, self._floor(), EPS_SHARE * eps), len(dear.blocks)):
            yield self._judged(ranges, everything - set(dear.blocks[:dropped]), judge)

    def _floor(self) -> float:
        return self.sixteen.budget.equivalent_sigma if self.sixteen and self.sixteen.budget else 0.0

    def _judged(self, ranges: Ranges, blocks: frozenset[Block], judge: _LateJudge) -> BuiltPair:
        size = self.reference.height, self.reference.width
        pair = build_pair(self.weights, self.backend, self.store, "int8", size, self.note, ranges.only(blocks))
        budget = self.store.read_budget(pair.to_reference, pair.from_reference)
        if budget is None or self.measure_again or (budget.surrogate and not self.tiles.surrogate):
            budget = judge.budget(pair, self.store)
            self.store.write_budget(pair.to_reference, pair.from_reference, budget)
        every = name_blocks((ranges.to_reference, ranges.from_reference))
        return replace(pair, budget=budget, left_out=tuple(sorted(set(every) - set(pair.int8_blocks))))

    def _sensitivity(self, ranges: Ranges, judge: _LateJudge) -> Sensitivity:
        name = "-".join(self.weights.digests.values())
        known = self.store.read_record(partial(from_json, Sensitivity), _SENSITIVITY, name)
        if known and known.format == _FORMAT and set(known.blocks) == set(ranges.blocks) and not self.measure_again:
            return known
        if self.note is None:
            raise EngineError("nobody measured which blocks bear int8", hint="leave out --no-build")
        self.note(f"measuring which of {len(ranges.blocks)} residual blocks bear int8")
        with tempfile.TemporaryDirectory() as folder:
            store = EngineStore(Path(folder))
            costs = {block: self._alone(ranges, block, judge, store) for block in ranges.blocks}
        blocks = tuple(sorted(costs, key=lambda block: -costs[block]))
        found = Sensitivity(format=_FORMAT, blocks=blocks, sigmas=tuple(costs[block] for block in blocks))
        self.store.write_record(_SENSITIVITY, name, found)
        return found

    def _alone(self, ranges: Ranges, block: Block, judge: _LateJudge, store: EngineStore) -> float:
        """The noise that the error of one block in int8 equals."""
        size = self.reference.height, self.reference.width
        pair = build_pair(
            self.weights, self.backend, store, "int8", size, lambda _: None, ranges.only(frozenset([block]))
        )
        return min(judge.budget(pair, store).equivalent_sigma, _MAX_SIGMA)


def _fits(pair: BuiltPair, eps: float) -> bool:
    return pair.budget is not None and pair.budget.fits(eps)


def _may_fit(sixteen: BuiltPair | None, eps: float) -> bool:
    """Whether int8 has room: it costs more than the 16-bit type around it."""
    return sixteen is None or _fits(sixteen, eps)


def _first_rung(dear: Sensitivity, floor: float, bound: float) -> int:
    """How many of the dearest blocks to leave out, at least one, so that the squares of the rest's errors fit."""
    costs = [max(0.0, sigma**2 - floor**2) for sigma in dear.sigmas]
    fitting = (n for n in range(1, len(costs)) if floor**2 + sum(costs[n:]) <= bound**2)
    return next(fitting, len(costs) - 1)


class _LateJudge:
    """A judge that translates its tiles only when it is asked the first time."""

    def __init__(self, exact: Translators, tiles_nchw: FloatBatch, *, surrogate: bool) -> None:
        self._make = partial(Judge, exact, tiles_nchw, surrogate=surrogate)
        self._made: Judge | None = None

    def budget(self, pair: BuiltPair, store: EngineStore) -> Budget:
        self._made = self._made or self._make()
        candidate = load_pair(pair, store)
        try:
            return self._made.budget(candidate, pair.precision)
        finally:
            candidate.close()
