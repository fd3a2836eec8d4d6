"""What the device can do at most: matrix products, copies on the device, copies from the host."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import torch

from augengine.engines.driver import device_name
from benchmarks.gpu.events import time_calls
from benchmarks.gpu.part import Rows, Setting, require_torch

_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def ceilings(setting: Setting) -> Rows:
    """TFLOP/s of square matrix products (float32 without TF32), and GB/s of copies, read and written together."""
    require_torch(setting)
    torch.backends.cuda.matmul.allow_tf32 = False
    yield ("device",), name_of_gpu()
    for name, kind in _TYPES.items():
        rate = 2 * setting.product_side**3 / _seconds(_product(kind, setting), setting)
        yield ("tflop_per_second", name), _rounded(rate / 1e12)
    for name, (run, size) in _copies(setting).items():
        yield ("gigabytes_per_second", name), _rounded(size / _seconds(run, setting) / 1e9)


def _seconds(run: Callable[[], object], setting: Setting) -> float:
    times = time_calls({"run": run}, setting.rounds, device=setting.device, calls=setting.calls)
    return statistics.median(times["run"]) / 1000


def _product(kind: torch.dtype, setting: Setting) -> Callable[[], object]:
    side = setting.product_side
    a, b = (torch.randn(side, side, device=setting.device).to(kind) for _ in range(2))
    return partial(torch.mm, a, b, out=torch.empty_like(a))


def _copies(setting: Setting) -> dict[str, tuple[Callable[[], object], int]]:
    """Name -> a copy, and the bytes that it reads and writes on the device."""
    found = {"device": (_copy(setting, setting.device), 2 * setting.copied)}
    if setting.device == "cuda":
        found["from pinned memory"] = (_copy(setting, "cpu"), setting.copied)
    return found


def _copy(setting: Setting, source: str) -> Callable[[], object]:
    held = torch.zeros(setting.copied, dtype=torch.uint8, device=source)
    held = held.pin_memory() if source != setting.device else held
    target = torch.empty(setting.copied, dtype=torch.uint8, device=setting.device)
    return partial(target.copy_, held, non_blocking=True)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def name_of_gpu() -> str:
    """Name of the GPU as torch gives it, else as the driver gives it; empty where there is no GPU."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else device_name()
