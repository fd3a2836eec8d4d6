"""int8 within the noise budget: as many residual blocks of a pair as eps bears."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from augengine.chain.base import Translators
from augengine.chain.translate import normalise
from augengine.compiling.int8_ranges import Ranges, find_ranges
from augengine.compiling.int8_ranging import Ranging
from augengine.compiling.pairs import BuiltPair, OnNote, build_pair, load_pair, name_blocks
from augengine.digests import json_digest
from augengine.engines.base import Backend
from augengine.engines.fidelity import EPS_SHARE, Budget, Judge
from augengine.engines.store import EngineStore
from augengine.errors import AugengineError, EngineError, SpecError
from augengine.json_values import from_json

Block = tuple[int, str]
"""0 for the generator to the reference or 1 for the one back, and the name of one of its residual blocks."""

_SENSITIVITY = "int8-sensitivity"
_FORMAT = 1
_MAX_SIGMA = 1.0
"""Stands for errors beyond all noise that was measured: json knows no infinity."""

_AUTO = "--precision auto takes another"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What each residual block of a pair costs alone in int8.

    Attributes:
        blocks: The blocks, the dearest first.
        sigmas: The noise that the error of each equals, everything else being in the other precision.
    """

    blocks: tuple[Block, ...]
    sigmas: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Search:
    """Looks for the int8 engines of a pair.

    Attributes:
        ranging: The pair, and where its ranges are measured.
        backend, store: As in `build_pairs`.
        exact: The float32 pair.
        half: The pair in the machine's 16-bit type; None if it has none.
        measure_again: Do not look at what was measured before.
        note: Told what takes a while; None forbids compiling and measuring.
    """

    ranging: Ranging
    backend: Backend
    store: EngineStore
    exact: BuiltPair
    half: BuiltPair | None
    measure_again: bool
    note: OnNote | None

    def demand(self, eps: float) -> BuiltPair:
        """The pair with the most int8 blocks whose error fits eps.

        Raises:
            SpecError: This machine, these generators or these tiles have no int8, or not one block fits eps.
            SourceError: No tile can be read.
            EngineError: A compiler or an engine fails, or something is missing and may not be built.
        """
        if reason := self._why_not(eps):
            raise SpecError(f"int8 cannot be taken: {reason}", hint=_AUTO)
        found, last = None, None
        with closing(_Court(self.exact, self.ranging, self.store)) as court:
            for last in self._rungs(self._ranges(court), court, eps):
                if _fits(last, eps):
                    found = last
                    break
        if found is not None:
            return found
        assert last is not None
        reason = "its error is too large even with one block"
        if last.budget is not None and not last.budget.responds:
            reason = last.budget.verdict(eps)
        raise SpecError(f"int8 cannot be taken at eps {eps:g}: {reason}", hint=f"{_AUTO}; more noise bears more")

    def offer(self, eps: float) -> BuiltPair | None:
        """The pair that `demand` gives, or None and a line that says why: a run goes on without int8."""
        if reason := self._why_not(eps):
            if self.measure_again and self.note is not None:  # `build-engines` was asked for all there is
                self.note(f"without int8: {reason}")
            return None
        try:
            return self.demand(eps)
        except AugengineError as error:
            if self.note is not None:
                self.note(f"without int8: {error.message}")
            return None

    def _why_not(self, eps: float) -> str:
        """Empty if int8 may do, as far as that can be known without measuring; else the reason."""
        if reason := self.backend.why_no_int8():
            return reason
        if self.ranging.tiles.surrogate:
            return "its ranges are measured on tiles of your own, and none were given"
        if not self.ranging.has_blocks():
            return "the generators have no residual blocks of augengine's own form"
        if self.half is not None and not _fits(self.half, eps):
            return f"{self.half.precision}, in which the rest runs, does not fit eps {eps:g}"
        return ""

    def _ranges(self, court: _Court) -> Ranges:
        found = find_ranges(
            self.ranging,
            self.store,
            lambda: court.exact.to_reference,
            measure_again=self.measure_again,
            note=self.note,
        )
        if found is None:
            raise EngineError("the ranges of int8 are not measured on this source", hint="leave out --no-build")
        return found

    def _rungs(self, ranges: Ranges, court: _Court, eps: float) -> Iterator[BuiltPair]:
        """Pairs with ever fewer blocks: all, then without the dearest, as the sum of squares predicts."""
        everything = frozenset(ranges.blocks)
        first = self._judged(ranges, everything, court)
        yield first
        if first.budget is None or not first.budget.responds:
            return
        found = self._sensitivity(ranges, court)
        for dropped in range(_first_rung(found, self._floor(), EPS_SHARE * eps), len(found.blocks)):
            yield self._judged(ranges, everything - set(found.blocks[:dropped]), court)

    def _floor(self) -> float:
        return self.half.budget.equivalent_sigma if self.half and self.half.budget else 0.0

    def _judged(self, ranges: Ranges, blocks: frozenset[Block], court: _Court) -> BuiltPair:
        pair = self._build(self.store, ranges, blocks, self.note)
        budget = self.store.read_budget(pair.to_reference, pair.from_reference)
        if budget is None or self.measure_again:
            budget = court.budget(pair, self.store)
            self.store.keep_budget(pair.to_reference, pair.from_reference, budget)
        every = name_blocks((ranges.to_reference, ranges.from_reference))
        return replace(pair, budget=budget, left_out=tuple(sorted(set(every) - set(pair.int8_blocks))))

    def _build(self, store: EngineStore, ranges: Ranges, blocks: frozenset[Block], note: OnNote | None) -> BuiltPair:
        size = self.exact.height, self.exact.width
        return build_pair(self.ranging.weights, self.backend, store, "int8", size, note, ranges.only(blocks))

    def _sensitivity(self, ranges: Ranges, court: _Court) -> Sensitivity:
        machine = [self.backend.name, self.backend.version(), self.backend.device_class()]
        name = json_digest([_FORMAT, self.ranging.name, *machine])
        reader = partial(from_json, Sensitivity)
        known = None if self.measure_again else self.store.read_record(reader, _SENSITIVITY, name)
        if known is not None:
            return known
        if self.note is None:
            raise EngineError("nobody measured which blocks bear int8", hint="leave out --no-build")
        self.note(f"measuring which of {len(ranges.blocks)} residual blocks bear int8")
        with tempfile.TemporaryDirectory() as folder:
            store = EngineStore(Path(folder))
            costs = {block: self._alone(ranges, block, court, store) for block in ranges.blocks}
        blocks = tuple(sorted(costs, key=lambda block: -costs[block]))
        found = Sensitivity(blocks=blocks, sigmas=tuple(costs[block] for block in blocks))
        self.store.keep_record(_SENSITIVITY, name, found)
        return found

    def _alone(self, ranges: Ranges, block: Block, court: _Court, store: EngineStore) -> float:
        """The noise that the error of one block in int8 equals."""
        pair = self._build(store, ranges, frozenset([block]), lambda _: None)
        return min(court.budget(pair, store).equivalent_sigma, _MAX_SIGMA)


class _Court:
    """The float32 engines and the judging tiles, loaded and read when somebody asks for them."""

    def __init__(self, pair: BuiltPair, ranging: Ranging, store: EngineStore) -> None:
        self._pair, self._ranging, self._store = pair, ranging, store
        self._loaded: Translators | None = None

    @property
    def exact(self) -> Translators:
        """The float32 engines."""
        self._loaded = self._loaded or load_pair(self._pair, self._store)
        return self._loaded

    @cached_property
    def _judge(self) -> Judge:
        images = [tile.image_hwc for tile in self._ranging.judges()]
        return Judge(self.exact, np.ascontiguousarray(normalise(images)), surrogate=self._ranging.tiles.surrogate)

    def budget(self, pair: BuiltPair, store: EngineStore) -> Budget:
        """What a pair costs."""
        candidate = load_pair(pair, store)
        try:
            return self._judge.budget(candidate, pair.precision)
        finally:
            candidate.close()

    def close(self) -> None:
        """Close the engines, if they were loaded."""
        if self._loaded is not None:
            self._loaded.close()


def _fits(pair: BuiltPair, eps: float) -> bool:
    return pair.budget is not None and pair.budget.fits(eps)


def _first_rung(found: Sensitivity, floor: float, bound: float) -> int:
    """How many of the dearest blocks to leave out, at least one, so that the squares of the rest's errors fit."""
    costs = [max(0.0, sigma**2 - floor**2) for sigma in found.sigmas]
    fitting = (n for n in range(1, len(costs)) if floor**2 + sum(costs[n:]) <= bound**2)
    return next(fitting, len(costs) - 1)
