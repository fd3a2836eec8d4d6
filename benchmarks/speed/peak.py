"""The ceiling: this machine's matrix product, in GFLOP/s, by the best library that is at hand.

torch multiplies every precision; NumPy float32 alone, and on some processors faster than torch.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from augengine.spec import Precision
from benchmarks.rounds import Contender, Seconds

_CALLS = 16
"""Products in a row: the first after a pause is slow by half, and the engines are timed over many passes as well."""

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def matrix_products(precision: Precision, side: int, threads: int) -> list[Contender]:
    """Two square matrices multiplied, by each library that can; a rate is ``gflop`` over the seconds of a call."""
    libraries = {"torch": _by_torch(precision, side, threads)}
    if precision == "float32":
        libraries["numpy"] = _by_numpy(side)
    gflop = _CALLS * 2 * side**3 / 1e9
    return [
        Contender(name=f"matrix product, {name}, {precision}", run=partial(_repeat, run), images=1, gflop=gflop)
        for name, run in libraries.items()
    ]


def _repeat(run: Callable[[], object]) -> None:
    for _ in range(_CALLS):
        run()


def peaks(products: Sequence[Contender], seconds: Seconds) -> dict[str, float]:
    """Precision -> GFLOP/s of the library that multiplies it fastest."""
    found: dict[str, float] = {}
    for each in products:
        precision, rate = each.name.split(", ")[-1], each.gflop / statistics.median(seconds[each.name])
        found[precision] = max(rate, found.get(precision, 0.0))
    return found


def _by_torch(precision: Precision, side: int, threads: int) -> Callable[[], object]:
    torch.manual_seed(0)
    a, b = (torch.randn(side, side).to(_TYPES[precision]) for _ in range(2))
    out = torch.empty_like(a)

    def run() -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            torch.mm(a, b, out=out)

    return run


def _by_numpy(side: int) -> Callable[[], object]:
    # NumPy's library takes the cores that the process may use, which is what ``threads`` is elsewhere.
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((side, side), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)
