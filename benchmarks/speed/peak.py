"""The ceiling: this machine's matrix product, in GFLOP/s, by the best library that is at hand (torch's)."""

from __future__ import annotations

import torch

from augengine.spec import Precision
from benchmarks.rounds import Contender

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def matrix_product(precision: Precision, side: int, threads: int) -> Contender:
    """Two square matrices multiplied; its rate is ``gflop`` over the seconds of a call."""
    torch.manual_seed(0)
    a, b = (torch.randn(side, side).to(_TYPES[precision]) for _ in range(2))
    out = torch.empty_like(a)

    def run() -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            torch.mm(a, b, out=out)

    return Contender(name=f"matrix product, {precision}", run=run, images=1, gflop=2 * side**3 / 1e9)
