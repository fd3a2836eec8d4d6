"""Every engine that runs here, in every precision, over sides and batch sizes; and the stages inside a chain's call."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import torch

from augengine.chain.base import Translators
from augengine.engines.backends import backends
from augengine.engines.base import Backend, EngineSpec
from augengine.engines.store import EngineStore
from augengine.spec import Precision
from benchmarks.gpu.events import time_events
from benchmarks.gpu.part import Setting, require_gpu
from benchmarks.speed.material import Material


def engines(setting: Setting) -> dict[str, Any]:
    """Backend -> precision -> side -> batch -> rate; what cannot run, or is refused, says why."""
    require_gpu()
    on_gpu = [backend for backend in backends() if backend.name != "openvino"]
    return {backend.name: _of_backend(backend, setting) for backend in on_gpu}


def _of_backend(backend: Backend, setting: Setting) -> dict[str, Any]:
    if reason := backend.why_unavailable():
        return {"missing": reason}
    found: dict[str, Any] = {}
    for side in setting.sides:
        material = setting.material(side)
        for precision in backend.precisions():
            of_side = found.setdefault(precision, {}).setdefault(str(side), {})
            for batch in setting.batches:
                of_side[str(batch)] = _rate(backend, material, precision, batch, setting.rounds)
    return found


def _rate(backend: Backend, material: Material, precision: Precision, batch: int, rounds: int) -> dict[str, Any]:
    try:
        with closing(load(backend, material, precision, batch)) as pair:
            x, out = (torch.rand(batch, 3, pair.height, pair.width, device="cuda") for _ in range(2))
            run = partial(pair.to_reference, x, out, stream=torch.cuda.current_stream().cuda_stream)
            milliseconds = statistics.median(time_events({"pass": run}, rounds)["pass"])
    except Exception as error:  # noqa: BLE001 - one size that does not fit is not the others' end
        return {"failed": f"{type(error).__name__}: {error}"}
    rate = batch / milliseconds * 1000
    return {"images_per_second": round(rate, 1), "tflop_per_second": round(rate * material.gflop / 1000, 1)}


def load(backend: Backend, material: Material, precision: Precision, batch: int) -> Translators:
    """The pair as engines of one backend, precision and batch."""
    side, store = material.size.side, EngineStore(material.folder / "engines")
    spec = EngineSpec(precision=precision, height=side, width=side, batch=batch)
    built = [store.get_or_build(file, backend, spec) for file in material.onnx()]
    there, back = (store.load(each.id, threads=material.threads) for each in built)
    return Translators(to_reference=there, from_reference=back)


def stages(setting: Setting) -> dict[str, Any]:
    """Side -> milliseconds of G_BA, of G_BA with noise and G_AB, and of both engines alone, by CUDA events.

    What a call takes beyond its engines is the noise kernel and the check for finite numbers.
    """
    require_gpu()
    return {str(side): _of_side(setting, side) for side in setting.sides}


def _of_side(setting: Setting, side: int) -> dict[str, float]:
    import cupy  # only where the extras of a GPU are installed

    from augengine.chain._cuda import CudaTranslation

    material = setting.material(side)
    backend = next(each for each in backends() if not each.why_unavailable())
    batch = backend.static_batch(side, side)
    with closing(load(backend, material, backend.precisions()[0], batch)) as pair:
        translation = CudaTranslation(pair, variants=setting.variants, batch=batch, buffers=1, device_id=0)
        x = cupy.random.rand(batch, 3, side, side, dtype=cupy.float32)
        y = cupy.empty_like(x)
        words = cupy.zeros((batch, 2), cupy.uint32)
        sigmas = cupy.full((batch, setting.variants), 0.05, cupy.float32)
        stream = torch.cuda.current_stream().cuda_stream
        runs: dict[str, Callable[[], object]] = {
            "G_BA": partial(pair.to_reference, x, y, stream=stream),
            "G_AB": partial(pair.from_reference, x, y, stream=stream),
            f"G_BA, noise, {setting.variants} times G_AB": partial(translation, x, words, sigmas, stream=stream),
        }
        times = time_events(runs, setting.rounds)
    return {name: round(statistics.median(values), 3) for name, values in times.items()}
