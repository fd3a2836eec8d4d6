"""Every engine that runs here, in every precision, over sides and batch sizes."""

from __future__ import annotations

import statistics
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch

from augengine.chain.base import Translators
from augengine.engines._openvino import OpenVinoBackend
from augengine.engines._tensorrt import TensorRtBackend
from augengine.engines._torch import TorchBackend
from augengine.engines.base import Array, Backend, EngineSpec
from augengine.engines.store import EngineStore
from augengine.engines.trt_packages import PACKAGES, UNLISTED
from augengine.errors import BackendUnavailable
from augengine.spec import Precision
from benchmarks.gpu.events import time_calls
from benchmarks.gpu.part import Rows, Setting, engine_facts, insert, require_torch, runs_on


def engines(setting: Setting) -> Rows:
    """Backend -> precision -> side -> batch -> rate; what cannot run, or is refused, says why.

    Each of TensorRT's packages runs in a process of its own: one process cannot hold both.
    """
    require_torch(setting)
    reasons = []
    for name, backend in _here(setting).items():
        for place, row in of_backend(backend, setting):
            reasons += [f"{name}: {row}"] if place == ("missing",) else [""]
            yield (name, *place), row
    for name, unlisted in _apart(setting).items():
        found = in_own_process(TensorRtBackend(name), setting)
        if UNLISTED in found.get("missing", ""):
            found["tried"] = try_unlisted(unlisted, setting)
        reasons += [f"{name}: {found['missing']}"] if "missing" in found and "tried" not in found else [""]
        yield (name,), found
    if all(reasons):
        raise BackendUnavailable("; ".join(reasons))


def _here(setting: Setting) -> dict[str, Backend]:
    """The backends that run in this process."""
    every: dict[str, Backend] = {"torch": TorchBackend()}
    if setting.device == "cpu":
        every["openvino"] = OpenVinoBackend()
    return {name: backend for name, backend in every.items() if setting.backend in ("auto", name)}


def _apart(setting: Setting) -> dict[str, Backend]:
    """TensorRT's packages, each as it is tried on a GPU that it does not list."""
    if setting.device == "cpu" or setting.backend not in ("auto", "tensorrt"):
        return {}
    return {name: TensorRtBackend(name, unlisted=True) for name in PACKAGES}


def try_unlisted(backend: Backend, setting: Setting) -> dict[str, Any]:
    """What a package does on a GPU that it does not list: rates of one small size, or ``refused``, no failure."""
    return _as_refusals(in_own_process(backend, replace(setting, sides=(min(setting.sides),), batches=(1,))))


def _as_refusals(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "refused" if name in ("failed", "missing") else name: _as_refusals(each) if isinstance(each, dict) else each
        for name, each in found.items()
    }


def in_own_process(backend: Backend, setting: Setting) -> dict[str, Any]:
    """All rows of a backend, nested; a crash is a failure too."""
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(all_rows, backend, setting).result()
    except Exception as error:  # noqa: BLE001 - one package's end, were it a crash, is not the others'
        return {"failed": f"{type(error).__name__}: {error}"}


def all_rows(backend: Backend, setting: Setting) -> dict[str, Any]:
    """The rows of `of_backend`, nested by their places."""
    found: dict[str, Any] = {}
    for place, row in of_backend(backend, setting):
        insert(found, place, row)
    return found


def of_backend(backend: Backend, setting: Setting) -> Rows:
    """Precision, side, batch -> rate of one backend; or why it is ``missing``."""
    if reason := backend.why_unavailable():
        yield ("missing",), reason
        return
    if not runs_on(backend, setting):
        yield ("missing",), f"its engines would run as {backend.device_class()}, not on {setting.device}"
        return
    for precision in backend.precisions():
        if setting.precision not in (None, precision):
            continue
        for side in setting.sides:
            for batch in setting.batches:
                yield (precision, str(side), str(batch)), _rate(backend, precision, side, batch, setting)


def _rate(backend: Backend, precision: Precision, side: int, batch: int, setting: Setting) -> dict[str, Any]:
    try:
        with closing(load(backend, precision, side, batch, setting)) as pair:
            x, out = (random_images(batch, pair, setting) for _ in range(2))
            run = partial(pair.to_reference, x, out, stream=current_stream(setting))
            times = time_calls({"pass": run}, setting.rounds, device=setting.device, calls=setting.calls)
            how = getattr(pair.to_reference, "how", "")
    except Exception as error:  # noqa: BLE001 - one size that does not fit is not the others' end
        return {"failed": f"{type(error).__name__}: {error}"}
    rate = batch / statistics.median(times["pass"]) * 1000
    facts = engine_facts(backend, precision, side, batch) | ({"how": how} if how else {})
    tflops = rate * setting.networks().gflop(side) / 1000
    return facts | {"images_per_second": round(rate, 1), "tflop_per_second": round(tflops, 4)}


def load(backend: Backend, precision: Precision, side: int, batch: int, setting: Setting) -> Translators:
    """The pair as engines of one backend, precision, size and batch."""
    networks, store = setting.networks(), EngineStore(setting.folder / "engines")
    spec = EngineSpec(precision=precision, height=side, width=side, batch=batch)
    built = [store.get_or_build(file, backend, spec) for file in networks.onnx()]
    # Not by `EngineStore.load`, which asks the package of TensorRT that ``auto`` takes.
    there, back = (backend.load(each.folder, each.manifest, threads=setting.threads) for each in built)
    return Translators(to_reference=there, from_reference=back)


def random_images(batch: int, pair: Translators, setting: Setting) -> Array:
    """float32 (N, 3, H, W) in [0, 1), where the engines want it."""
    x = torch.rand(batch, 3, pair.height, pair.width, device=setting.device)
    return x if setting.device == "cuda" else x.numpy()


def current_stream(setting: Setting) -> int:
    """torch's, on which the events are; 0 on a CPU."""
    return int(torch.cuda.current_stream().cuda_stream) if setting.device == "cuda" else 0
