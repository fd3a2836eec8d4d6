"""The chains and the whole job on the GPU, PNG and JPEG, beside the eager loop with TF32 on and off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import torch

from augengine.chain import ChainName
from augengine.errors import BackendUnavailable
from augengine.spec import ImageFormat
from benchmarks.gpu.part import Setting, engine_facts, require_backend
from benchmarks.rounds import Contender, interleave, row
from benchmarks.speed.material import Material
from benchmarks.speed.ours import chain, whole
from benchmarks.speed.peers import device_loop

_CHAINS: tuple[ChainName, ...] = ("plain", "dali")
FORMATS: tuple[ImageFormat, ...] = ("png", "jpg")

Facts = dict[str, Any]
Make = Callable[[Setting, Material, Facts, ExitStack], list[tuple[Contender, Facts]]]


def chains(setting: Setting) -> dict[str, Any]:
    """Side -> rows of the two chains, in memory."""
    return _by_side(setting, _chains)


def job(setting: Setting) -> dict[str, Any]:
    """Side -> rows of a whole worker, with PNG and with JPEG, and of the eager loop."""
    return _by_side(setting, _job)


def _by_side(setting: Setting, make: Make) -> dict[str, Any]:
    backend = require_backend(setting)
    found: dict[str, Any] = {}
    for side in setting.sides:
        facts = engine_facts(backend, backend.precisions()[0], side, backend.static_batch(side, side))
        with ExitStack() as stack:
            made = make(setting, setting.material(side), facts | {"variants": setting.variants}, stack)
            seconds = interleave([each for each, _ in made], setting.rounds)
            found[str(side)] = {each.name: own | row(each, seconds[each.name], {}) for each, own in made}
    return found


def _chains(setting: Setting, material: Material, facts: Facts, stack: ExitStack) -> list[tuple[Contender, Facts]]:
    precision = facts["precision"]
    engines = stack.enter_context(closing(material.engines(precision)))
    if engines.device != setting.device:
        raise BackendUnavailable(f"the engines run on {engines.device}, not on {setting.device}")
    return [(chain(name, material, engines, precision, setting.variants, stack), facts) for name in _CHAINS]


def _job(setting: Setting, material: Material, facts: Facts, stack: ExitStack) -> list[tuple[Contender, Facts]]:
    ours = [
        (contender, facts | {"image_format": image_format})
        for image_format in FORMATS
        for contender in whole(material, facts["precision"], setting.variants, stack, image_format=image_format)
    ]
    loops = [device_loop(material, setting.variants, device=setting.device, tf32=tf32) for tf32 in (False, True)]
    loop = facts | {"backend": "eager loop", "version": f"torch {torch.__version__}", "batch": 1}
    return [
        *ours,
        *((each, loop | {"precision": name}) for each, name in zip(loops, ("float32", "tf32"), strict=True)),
    ]
