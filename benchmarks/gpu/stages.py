"""The stages inside a chain's call, each by itself and together."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.chain.base import Translators
from augengine.chain.translate import Translation
from augengine.draws.noise import GaussianNoise
from augengine.engines.gpu_memory import load_cupy
from augengine.spec import NoiseSpec
from benchmarks.gpu.engines import current_stream, load
from benchmarks.gpu.events import time_calls
from benchmarks.gpu.part import Rows, Setting, engine_facts, require_backend

_SIGMA = 0.05
_NOISE = GaussianNoise(NoiseSpec(eps=_SIGMA))


def stages(setting: Setting) -> Rows:
    """Side -> milliseconds of a batch in G_BA, in the noise of K variants, in one G_AB, and in all of it.

    What all of it takes beyond its parts is the check for finite numbers.
    """
    for side in setting.sides:
        yield (str(side),), _of_side(setting, side)


def _of_side(setting: Setting, side: int) -> dict[str, Any]:
    backend = require_backend(setting)
    precision, batch = setting.precision_of(backend), backend.static_batch(side, side)
    with ExitStack() as stack:
        pair = stack.enter_context(closing(load(backend, precision, side, batch, setting)))
        make = _runs_on_gpu if setting.device == "cuda" else _runs_on_cpu
        times = time_calls(
            make(pair, batch, setting, stack), setting.rounds, device=setting.device, calls=setting.calls
        )
    milliseconds = {name: round(statistics.median(values), 3) for name, values in times.items()}
    return engine_facts(backend, precision, side, batch) | {"milliseconds": milliseconds}


def _runs_on_gpu(pair: Translators, batch: int, setting: Setting, _: ExitStack) -> dict[str, Callable[[], object]]:
    from augengine.chain._cuda import CudaTranslation

    cupy = load_cupy()
    translation = CudaTranslation(pair, _NOISE, variants=setting.variants, batch=batch, buffers=1, device_id=0)
    x = cupy.asarray(_images(pair, batch))
    y, noisy = cupy.empty_like(x), cupy.empty((batch, setting.variants, *x.shape[1:]), cupy.float32)
    words = cupy.zeros((batch, 2), cupy.uint32)
    sigmas = cupy.full((batch, setting.variants), _SIGMA, cupy.float32)
    stream = current_stream(setting)  # the default one of torch and of CuPy alike
    return {
        "G_BA": partial(pair.to_reference, x, y, stream=stream),
        "noise": partial(translation.add_noise, y, noisy, words, sigmas),
        "G_AB": partial(pair.from_reference, x, y, stream=stream),
        "all": partial(translation, x, words, sigmas, stream=stream),
    }


def _runs_on_cpu(pair: Translators, batch: int, setting: Setting, stack: ExitStack) -> dict[str, Callable[[], object]]:
    translation = stack.enter_context(closing(Translation(pair, _NOISE, threads=setting.threads)))
    x = _images(pair, batch)
    y = np.empty_like(x)
    words = [np.zeros(2, np.uint32)] * batch
    sigmas = [np.full(setting.variants, _SIGMA, np.float32)] * batch
    return {
        "G_BA": partial(pair.to_reference, x, y),
        "noise": partial(_draw_all, np.empty_like(x), setting.variants),
        "G_AB": partial(pair.from_reference, x, y),
        "all": partial(translation, x, words, sigmas),
    }


def _draw_all(out_nchw: NDArray[np.float32], variants: int) -> None:
    for row in out_nchw:
        for variant in range(1, variants + 1):
            _NOISE.draw(row, sigma=_SIGMA, philox_key=0, variant=variant)


def _images(pair: Translators, batch: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (batch, 3, pair.height, pair.width)).astype(np.float32)
