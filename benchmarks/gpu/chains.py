"""The chains and the whole job on the GPU, PNG and JPEG, beside the eager loop with TF32 on and off."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

import torch

from augengine.chain import ChainName
from augengine.spec import ImageFormat
from benchmarks.gpu.part import Setting, require_gpu
from benchmarks.rounds import Contender, interleave, row
from benchmarks.speed.material import Material, precisions
from benchmarks.speed.ours import chain, whole
from benchmarks.speed.peers import cuda_loop

_CHAINS: tuple[ChainName, ...] = ("plain", "dali")
_FORMATS: tuple[ImageFormat, ...] = ("png", "jpg")


def chains(setting: Setting) -> dict[str, Any]:
    """Side -> rows of the two chains, in memory."""
    require_gpu()
    return _by_side(setting, _chains)


def job(setting: Setting) -> dict[str, Any]:
    """Side -> rows of a whole worker, with PNG and with JPEG, and of the eager loop."""
    require_gpu()
    return _by_side(setting, _job)


def _by_side(setting: Setting, make: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side in setting.sides:
        with ExitStack() as stack:
            contenders: list[Contender] = make(setting, setting.material(side), stack)
            seconds = interleave(contenders, setting.rounds)
            found[str(side)] = {each.name: row(each, seconds[each.name], {}) for each in contenders}
    return found


def _chains(setting: Setting, material: Material, stack: ExitStack) -> list[Contender]:
    precision = precisions()[0]
    engines = stack.enter_context(closing(material.engines(precision)))
    return [chain(name, material, engines, precision, setting.variants, stack) for name in _CHAINS]


def _job(setting: Setting, material: Material, stack: ExitStack) -> list[Contender]:
    precision = precisions()[0]
    ours = [
        contender
        for image_format in _FORMATS
        for contender in whole(material, precision, setting.variants, stack, image_format=image_format)
    ]
    return [*ours, *(cuda_loop(material, setting.variants, tf32=tf32) for tf32 in (False, True))]


def device_name() -> str:
    """The GPU, or empty."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
