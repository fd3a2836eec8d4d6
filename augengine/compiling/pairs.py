"""A stain's generators compiled in every precision, and loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augengine.chain.base import Translators
from augengine.chain.pair import NO_INT8, Int8Forms
from augengine.engines.base import Backend, EngineSpec
from augengine.engines.fidelity import Budget, run_on_host
from augengine.engines.store import EngineStore
from augengine.errors import EngineError
from augengine.json_values import to_json
from augengine.machine import cpu_threads
from augengine.spec import Precision
from augengine.weights.cards import DIRECTIONS, WeightsPair

OnNote = Callable[[str], None]
"""Called with a line about work that takes a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPair:
    """The engines of a stain in one precision.

    Attributes:
        weights: The generators they were made from.
        backend: Name of the backend.
        precision: Precision of the arithmetic inside the engines.
        height, width: Static size, pixels.
        to_reference, from_reference: Engine ids.
        budget: Against float32; None for float32 itself, and where no tile could be read.
        int8: For the precision int8: which convolutions of each generator run in it; None for one without any.
        left_out: Residual blocks that would cost more in int8 than the noise allows.
        seconds: What an image takes there and back, in seconds; None where it was not timed.
    """

    weights: WeightsPair
    backend: str
    precision: Precision
    height: int
    width: int
    to_reference: str
    from_reference: str
    budget: Budget | None = None
    int8: Int8Forms = NO_INT8
    left_out: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def int8_blocks(self) -> tuple[str, ...]:
        """The residual blocks that run in int8: ``to-reference model.10``."""
        return name_blocks(self.int8)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "stain": self.weights.stain,
            "sample_set": self.weights.of_sample_set,
            "reference": self.weights.reference,
            "backend": self.backend,
            "precision": self.precision,
            "height": self.height,
            "width": self.width,
            "to_reference": self.to_reference,
            "from_reference": self.from_reference,
            "budget": None if self.budget is None else to_json(self.budget),
            "int8_blocks": list(self.int8_blocks),
            "left_out": list(self.left_out),
            "seconds_an_image": self.seconds,
        }


def name_blocks(forms: Int8Forms) -> tuple[str, ...]:
    """The residual blocks of a pair's int8 forms, each with its generator: ``to-reference model.10``."""
    by_direction = zip(DIRECTIONS, forms, strict=True)
    return tuple(f"{direction} {block}" for direction, form in by_direction for block in (form.blocks if form else ()))


def compile_pairs(
    weights: WeightsPair,
    backend: Backend,
    store: EngineStore,
    *,
    height: int,
    width: int,
    precisions: Sequence[Precision] | None = None,
    may_build: bool = True,
    on_note: OnNote = lambda _: None,
) -> list[BuiltPair]:
    """Compile what is missing in each precision, and measure nothing.

    Args:
        weights: The stain's generators.
        backend: Compiles and runs them.
        store: Where engines are kept.
        height, width: Static size, pixels.
        precisions: Which to build besides float32; by default all that run natively here.
        may_build: Whether a missing engine may be compiled.
        on_note: Told what takes a while.

    Returns:
        One pair a precision, fastest first; float32 is always among them.

    Raises:
        EngineError: A compiler refused, the store cannot be written, or an engine is missing and may not be built.
    """
    wanted = [p for p in backend.precisions() if p == "float32" or precisions is None or p in precisions]
    return [build_pair(weights, backend, store, p, (height, width), on_note if may_build else None) for p in wanted]


def exact_of(pairs: Sequence[BuiltPair]) -> BuiltPair:
    """The float32 pair, which the others are measured against."""
    return next(pair for pair in pairs if pair.precision == "float32")


def build_pair(
    weights: WeightsPair,
    backend: Backend,
    store: EngineStore,
    precision: Precision,
    size: tuple[int, int],
    note: OnNote | None,
    int8: Int8Forms = NO_INT8,
) -> BuiltPair:
    """Compile what is missing of one pair.

    Args:
        weights, backend, store: As in `compile_pairs`.
        precision: Precision of the arithmetic inside.
        size: Height and width in pixels.
        note: Told what takes a while; None forbids compiling.
        int8: The int8 forms, if the precision is int8.

    Raises:
        EngineError: A compiler refused, or an engine is missing and may not be built.
    """
    height, width = size
    ids = []
    for index, direction in enumerate(DIRECTIONS):
        spec = engine_spec(backend, precision, size, int8, index)
        stored = store.find(weights.digests[direction], backend, spec)
        if stored is None:
            what = f"{weights.reference}-{weights.stain} {direction}, {precision}, {width} x {height} px"
            if note is None:
                hint = f"{weights.build_command(max(size))}, or leave out --no-build"
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
        int8=int8,
    )


def engine_spec(
    backend: Backend, precision: Precision, size: tuple[int, int], int8: Int8Forms, index: int
) -> EngineSpec:
    """What the first or second of a pair's engines is made from.

    A generator of an int8 pair that has no int8 form itself runs in the precision around the other's.
    """
    form, around = int8[index], next((each.others for each in int8 if each is not None), precision)
    height, width = size
    batch = backend.static_batch(height, width)
    own = precision if form is not None else around
    return EngineSpec(precision=own, height=height, width=width, batch=batch, int8=form)


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
