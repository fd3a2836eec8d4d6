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
from benchmarks.gpu.part import Setting, engine_facts, find_all, require_torch, runs_on
from benchmarks.speed.material import Material


def engines(setting: Setting) -> dict[str, Any]:
    """Backend -> precision -> side -> batch -> rate; what cannot run, or is refused, says why.

    Each of TensorRT's packages runs in a process of its own: one process cannot hold both.
    """
    require_torch(setting)
    apart: dict[str, Backend] = {name: TensorRtBackend(name) for name in PACKAGES}
    here: dict[str, Backend] = {"torch": TorchBackend()}
    if setting.device == "cpu":
        apart, here = {}, {"openvino": OpenVinoBackend(), **here}
    found = {name: in_own_process(backend, setting) for name, backend in apart.items()}
    for name, each in found.items():
        if UNLISTED in each.get("missing", ""):
            each["tried"] = try_unlisted(TensorRtBackend(name, unlisted=True), setting)
    found |= {name: of_backend(backend, setting) for name, backend in here.items()}
    if all("missing" in each and "tried" not in each for each in found.values()):
        raise BackendUnavailable("; ".join(f"{name}: {reason}" for name, reason in find_all("missing", found)))
    return found


def try_unlisted(backend: Backend, setting: Setting) -> dict[str, Any]:
    """What a package does on a GPU that it does not list: rates of one small size, or ``refused``, no failure."""
    return _as_refusals(in_own_process(backend, replace(setting, sides=(min(setting.sides),), batches=(1,))))


def _as_refusals(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "refused" if name in ("failed", "missing") else name: _as_refusals(each) if isinstance(each, dict) else each
        for name, each in found.items()
    }


def in_own_process(backend: Backend, setting: Setting) -> dict[str, Any]:
    """As `of_backend`; a crash is a failure too."""
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(of_backend, backend, setting).result()
    except Exception as error:  # noqa: BLE001 - one package's end, were it a crash, is not the others'
        return {"failed": f"{type(error).__name__}: {error}"}


def of_backend(backend: Backend, setting: Setting) -> dict[str, Any]:
    """Precision -> side -> batch -> rate of one backend."""
    if reason := backend.why_unavailable():
        return {"missing": reason}
    if not runs_on(backend, setting):
        return {"missing": f"its engines would run as {backend.device_class()}, not on {setting.device}"}
    found: dict[str, Any] = {}
    for side in setting.sides:
        material = setting.material(side)
        for precision in backend.precisions():
            of_side = found.setdefault(precision, {}).setdefault(str(side), {})
            for batch in setting.batches:
                of_side[str(batch)] = _rate(backend, material, precision, batch, setting)
    return found


def _rate(backend: Backend, material: Material, precision: Precision, batch: int, setting: Setting) -> dict[str, Any]:
    try:
        with closing(load(backend, material, precision, batch)) as pair:
            x, out = (random_images(batch, pair, setting) for _ in range(2))
            run = partial(pair.to_reference, x, out, stream=current_stream(setting))
            times = time_calls({"pass": run}, setting.rounds, device=setting.device, calls=setting.calls)
            how = getattr(pair.to_reference, "how", "")
    except Exception as error:  # noqa: BLE001 - one size that does not fit is not the others' end
        return {"failed": f"{type(error).__name__}: {error}"}
    rate = batch / statistics.median(times["pass"]) * 1000
    facts = engine_facts(backend, precision, material.size.side, batch) | ({"how": how} if how else {})
    return facts | {"images_per_second": round(rate, 1), "tflop_per_second": round(rate * material.gflop / 1000, 4)}


def load(backend: Backend, material: Material, precision: Precision, batch: int) -> Translators:
    """The pair as engines of one backend, precision and batch."""
    side, store = material.size.side, EngineStore(material.folder / "engines")
    spec = EngineSpec(precision=precision, height=side, width=side, batch=batch)
    built = [store.get_or_build(file, backend, spec) for file in material.onnx()]
    # Not by `EngineStore.load`, which asks the package of TensorRT that ``auto`` takes.
    there, back = (backend.load(each.folder, each.manifest, threads=material.threads) for each in built)
    return Translators(to_reference=there, from_reference=back)


def random_images(batch: int, pair: Translators, setting: Setting) -> Array:
    """float32 (N, 3, H, W) in [0, 1), where the engines want it."""
    x = torch.rand(batch, 3, pair.height, pair.width, device=setting.device)
    return x if setting.device == "cuda" else x.numpy()


def current_stream(setting: Setting) -> int:
    """torch's, on which the events are; 0 on a CPU."""
    return int(torch.cuda.current_stream().cuda_stream) if setting.device == "cuda" else 0
