"""What the device can do at most: matrix products, copies on the device, copies from the host."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.gpu.events import time_events
from benchmarks.gpu.part import Setting, require_gpu

_SIDE = 8192
_COPIED = 1 << 30
_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def ceilings(setting: Setting) -> dict[str, Any]:
    """TFLOP/s of square matrix products (float32 without TF32), and GB/s of copies, read and written together."""
    require_gpu()
    torch.backends.cuda.matmul.allow_tf32 = False
    products = {name: _product(kind) for name, kind in _TYPES.items()}
    copies = {"device": _copy("cuda", 2), "from pinned memory": _copy("cpu", 1)}
    times = time_events(products | {name: run for name, (run, _) in copies.items()}, setting.rounds)
    middle = {name: statistics.median(values) / 1000 for name, values in times.items()}
    return {
        "device": torch.cuda.get_device_name(),
        "tflop_per_second": {name: round(2 * _SIDE**3 / middle[name] / 1e12, 1) for name in products},
        "gigabytes_per_second": {name: round(size / middle[name] / 1e9, 1) for name, (_, size) in copies.items()},
    }


def _product(kind: torch.dtype) -> Callable[[], object]:
    a, b = (torch.randn(_SIDE, _SIDE, device="cuda").to(kind) for _ in range(2))
    return partial(torch.mm, a, b, out=torch.empty_like(a))


def _copy(source: str, passes: int) -> tuple[Callable[[], object], int]:
    held = torch.zeros(_COPIED, dtype=torch.uint8, device=source)
    held = held.pin_memory() if source == "cpu" else held
    target = torch.empty(_COPIED, dtype=torch.uint8, device="cuda")
    return partial(target.copy_, held, non_blocking=True), passes * _COPIED
