"""The float16 pass in every form that torch has for it, and which kernels its time goes to."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from augengine.engines._torch import TorchBackend
from augengine.engines._torch_cuda import place
from augengine.engines.base import EngineSpec
from augengine.engines.cuda_graph import record_pass
from benchmarks.gpu.events import time_calls
from benchmarks.gpu.part import Rows, Setting, engine_facts, require_torch
from benchmarks.speed.networks import Networks

Run = Callable[[], Any]
_MAX_ERROR = 1.5
_KERNELS = 12
_NAME = 100


@dataclass(frozen=True, slots=True)
class Form:
    """How torch runs the pass.

    Attributes:
        name: Name of the row.
        fused: Whether the kernels of `augengine.engines.fused` run it.
        compiled: Whether `torch.compile` compiles it.
        tuned: Whether cuDNN takes the algorithms that it finds fastest, whose bits may differ from run to run.
        recorded: Whether it is recorded as a CUDA graph.
    """

    name: str
    fused: bool = False
    compiled: bool = False
    tuned: bool = False
    recorded: bool = True


FORMS = (
    Form("kernel by kernel", recorded=False),
    Form("recorded"),
    Form("recorded, tuned", tuned=True),
    Form("fused", fused=True),
    Form("fused, tuned", fused=True, tuned=True),
    Form("torch.compile", compiled=True),
)


def forms(setting: Setting) -> Rows:
    """Side, form -> rate, RMS error against float32, and microseconds by kernel, those that take most."""
    require_torch(setting)
    for side in setting.sides:
        yield from (((str(side), name), row) for name, row in _of_side(setting, side))


def _of_side(setting: Setting, side: int) -> Iterator[tuple[str, dict[str, Any]]]:
    networks, batch = setting.networks(), TorchBackend().static_batch(side, side)
    x = torch.rand((batch, 3, side, side), generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    x = x.to(setting.device)
    with _flags(tuned=False), torch.inference_mode():
        exact = place(networks.generators[0], _spec("float32", side, batch), x.device, fused=False).translate(x)
    plain: dict[str, Any] = {}
    for form in _usable(setting):
        row = _attempt(form, networks, setting, x, exact)
        plain = plain or row  # the first form is torch's own kernels, one by one
        yield form.name, judge(row, plain)


def judge(row: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    """A row, ``failed`` if its error is far beyond that of torch's own kernels."""
    error, most = row.get("rms_error", 0.0), _MAX_ERROR * plain.get("rms_error", math.inf)
    if error <= most or "failed" in row:
        return row
    return {"failed": f"an error of {error:g} RMS, {most:g} is the most", "row": row}


def _usable(setting: Setting) -> Iterator[Form]:
    # Compiling for a CPU takes minutes and tells nothing of a GPU.
    return (form for form in FORMS if setting.device == "cuda" or not form.compiled)


def _attempt(form: Form, networks: Networks, setting: Setting, x: Tensor, exact: Tensor) -> dict[str, Any]:
    try:
        return _row(form, networks, setting, x, exact)
    except ImportError as error:
        return {"missing": str(error)}
    except Exception as error:  # noqa: BLE001 - one form's end is not the others'
        return {"failed": f"{type(error).__name__}: {error}"}


def _row(form: Form, networks: Networks, setting: Setting, x: Tensor, exact: Tensor) -> dict[str, Any]:
    batch, side = len(x), x.shape[-1]
    with _flags(tuned=form.tuned), torch.inference_mode():
        plain, run = _make(form, networks, x, record=setting.device == "cuda")
        error = float((run() - exact).square().mean().sqrt())
        times = time_calls({"pass": run}, setting.rounds, device=setting.device, calls=setting.calls)["pass"]
        kernels = kernel_times(plain, setting)
    rate = batch / statistics.median(times) * 1000
    return engine_facts(TorchBackend(), "float16", side, batch) | {
        "images_per_second": float(f"{rate:.4g}"),
        "tflop_per_second": float(f"{rate * networks.gflop(side) / 1000:.4g}"),
        "rms_error": float(f"{error:.3g}"),
        "microseconds": kernels,
    }


def _make(form: Form, networks: Networks, x: Tensor, *, record: bool) -> tuple[Run, Run]:
    """The pass kernel by kernel, and as it is timed."""
    spec = _spec("float16", x.shape[-1], len(x))
    placed = place(networks.generators[0], spec, x.device, fused=form.fused)
    if form.fused and not placed.kind:
        raise RuntimeError("the kernels do not know this generator at this size")
    translate = torch.compile(placed.translate, dynamic=False) if form.compiled else placed.translate
    plain: Run = partial(translate, x.to(memory_format=placed.memory_format))
    return plain, record_pass(torch, plain) if form.recorded and record else plain


def kernel_times(run: Run, setting: Setting) -> dict[str, float]:
    """Microseconds of one call by kernel (on a CPU by operator), the longest first."""
    run()
    on_gpu = setting.device == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as seen:
        run()
        if on_gpu:
            torch.cuda.synchronize()
    times = defaultdict[str, float](float)
    for each in seen.key_averages():
        times[each.key[:_NAME]] += _own_time(each, on_gpu=on_gpu)
    longest = sorted(times, key=lambda name: -times[name])[:_KERNELS]
    return {name: round(times[name], 1) for name in longest if times[name]}


def _own_time(event: Any, *, on_gpu: bool) -> float:
    return float(event.self_device_time_total if on_gpu else event.self_cpu_time_total)


def _spec(precision: Any, side: int, batch: int) -> EngineSpec:
    return EngineSpec(precision=precision, height=side, width=side, batch=batch)


def _flags(*, tuned: bool) -> Any:
    return torch.backends.cudnn.flags(enabled=True, benchmark=tuned, deterministic=not tuned, allow_tf32=False)
