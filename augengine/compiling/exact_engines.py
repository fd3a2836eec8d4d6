"""A pair's float32 engines, as functions of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from augengine.compiling.pairs import BuiltPair, compile_pairs, load_pair
from augengine.draws.noise import FloatImage
from augengine.engines.backends import pick_backend
from augengine.engines.base import Backend, Engine
from augengine.engines.fidelity import run_on_host
from augengine.engines.store import own_store
from augengine.errors import EngineError
from augengine.measures import Translate
from augengine.spec import BackendName
from augengine.weights.cards import WeightsPair


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactEngines:
    """Both directions in float32.

    Attributes:
        backend: What runs them.
        built: Which engines they are.
        to_reference, from_reference: Both of them, as functions of images of their size.
    """

    backend: Backend
    built: BuiltPair
    to_reference: Translate
    from_reference: Translate


@contextmanager
def exact_engines(
    weights: WeightsPair, backend_name: BackendName, height: int, width: int, note: Callable[[str], None]
) -> Iterator[ExactEngines]:
    """Compile a pair in float32 where that is missing, and load it; it is closed at the end.

    Raises:
        AugengineError: No backend, or a compiler that refuses.
    """
    backend, store = pick_backend(backend_name), own_store()
    (built,) = compile_pairs(weights, backend, store, height=height, width=width, precisions=(), on_note=note)
    loaded = load_pair(built, store)
    try:
        there, back = _on(loaded.to_reference), _on(loaded.from_reference)
        yield ExactEngines(backend=backend, built=built, to_reference=there, from_reference=back)
    finally:
        loaded.close()


def _on(engine: Engine) -> Translate:
    def run(images: Sequence[FloatImage]) -> list[FloatImage]:
        out = run_on_host(engine, np.stack(images))
        if not np.isfinite(out).all():
            raise EngineError("a generator's output is not finite", hint="the weights are damaged, or diverged")
        return list(out)

    return run
