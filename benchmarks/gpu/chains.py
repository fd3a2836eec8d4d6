"""The chains and the whole job on the GPU, PNG and JPEG, beside the eager loop with TF32 on and off."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import torch

from augengine.chain import ChainName
from augengine.errors import BackendUnavailable
from augengine.spec import ImageFormat
from benchmarks.gpu.part import Rows, Setting, engine_facts, require_backend
from benchmarks.rounds import Contender, interleave, repeated, row
from benchmarks.speed.material import Material
from benchmarks.speed.ours import chain, whole
from benchmarks.speed.peers import device_loop

_CHAINS: tuple[ChainName, ...] = ("plain", "dali")
FORMATS: tuple[ImageFormat, ...] = ("png", "jpg")

Facts = dict[str, Any]


def chains(setting: Setting) -> Rows:
    """Side, name -> rows of the two chains, in memory."""
    for side, facts in _sides(setting):
        with ExitStack() as stack:
            for name in _CHAINS:
                contender = _chain(name, setting.material(side), facts, setting, stack)
                yield (str(side), contender.name), facts | _measured(contender, setting, at_least=0.0)


def job(setting: Setting) -> Rows:
    """Side, name -> rows of a whole worker, with PNG and with JPEG, and of the eager loop.

    Contenders are measured one after another, so that each row is written when it is there. A row's calls take at
    least ``job_seconds`` together: a worker's last shard, which nothing overlaps, then counts for little.
    """
    for side, facts in _sides(setting):
        with ExitStack() as stack:
            for contender, its_facts in _job(setting, setting.material(side), facts, stack):
                yield (str(side), contender.name), its_facts | _measured(contender, setting, setting.job_seconds)


def _sides(setting: Setting) -> Iterator[tuple[int, Facts]]:
    backend = require_backend(setting)
    for side in setting.sides:
        batch = backend.static_batch(side, side)
        facts = engine_facts(backend, setting.precision_of(backend), side, batch)
        yield side, facts | {"variants": setting.variants}


def _measured(contender: Contender, setting: Setting, at_least: float) -> Facts:
    """Its row: after a call that does not count, ``rounds`` calls that take ``at_least`` seconds together."""
    (seconds,) = interleave([contender], 1)[contender.name]
    times = max(1, math.ceil(at_least / setting.rounds / seconds))
    longer = repeated(contender, times)
    return {"calls": times} | row(longer, interleave([longer], setting.rounds)[longer.name], {})


def _chain(name: ChainName, material: Material, facts: Facts, setting: Setting, stack: ExitStack) -> Contender:
    engines = stack.enter_context(closing(material.engines(facts["precision"], setting.backend)))
    if engines.device != setting.device:
        raise BackendUnavailable(f"the engines run on {engines.device}, not on {setting.device}")
    return chain(name, material, engines, facts["precision"], setting.variants, stack)


def _job(setting: Setting, material: Material, facts: Facts, stack: ExitStack) -> Iterator[tuple[Contender, Facts]]:
    for image_format in FORMATS:
        options: Any = {"image_format": image_format, "backend": setting.backend}
        for contender in whole(material, facts["precision"], setting.variants, stack, **options):
            yield contender, facts | {"image_format": image_format}
    loop = facts | {"backend": "eager loop", "version": f"torch {torch.__version__}", "batch": 1}
    for tf32, name in ((False, "float32"), (True, "tf32")):
        contender = device_loop(material, setting.variants, device=setting.device, tf32=tf32)
        yield contender, loop | {"precision": name}
