"""Processor, GPU, memory and disks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from augengine.doctor.finding import Finding
from augengine.doctor.packages import installed
from augengine.engines.backends import backends, choose_backend, pick_backend
from augengine.engines.driver import compute_capability, cuda_version, device_name, why_no_driver
from augengine.errors import AugengineError
from augengine.machine import cpu_threads, isa_limit

MIN_SHARED = 2e9
"""Bytes of /dev/shm below which Ray keeps its objects on a disk, or fails."""

MIN_FREE = 5e9
"""Bytes of a disk below which a dataset or the engines may not fit."""

_SHARED = Path("/dev/shm")  # noqa: S108 - it is asked for its size
_TENSORRT = ("tensorrt-cu13", "tensorrt-rtx-cu13", "tensorrt")
_CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")


def look_at_hardware() -> list[Finding]:
    """Look at the processor, the GPU and its packages, the backend that is taken, and the free room."""
    return [_processor(), _gpu(), *_gpu_packages(), _backend(), *_rooms()]


def _processor() -> Finding:
    from augengine.engines._openvino import OpenVinoBackend

    backend = OpenVinoBackend()
    if reason := backend.why_unavailable():
        return Finding(what="processor", value=f"{cpu_threads()} threads", level="note", advice=reason)
    precisions = backend.precisions()
    native = [*([] if backend.why_no_int8() else ["int8"]), *precisions]
    value = f"{cpu_threads()} threads, {backend.device_class()}; runs {' and '.join(native)} natively"
    if limit := isa_limit(os.environ):
        advice = "unset ONEDNN_MAX_CPU_ISA, unless you want the bytes of a smaller processor"
        return Finding(what="processor", value=f"{value}, limited to {limit}", level="note", advice=advice)
    if precisions == ("float32",):
        taken = "float32" if len(native) == 1 else "int8 where the noise bears it, else float32,"
        advice = f"{taken} is used; a processor with AVX512-BF16 or AMX is faster"
        return Finding(what="processor", value=value, level="note", advice=advice)
    return Finding(what="processor", value=value)


def _gpu() -> Finding:
    if reason := why_no_driver():
        return Finding(what="GPU", value=f"none: {reason}", advice="engines run on the processor, which works")
    major, minor = compute_capability()
    cuda = ".".join(str(part) for part in cuda_version())
    return Finding(what="GPU", value=f"{device_name()}, compute capability {major}.{minor}, driver for CUDA {cuda}")


def _gpu_packages() -> list[Finding]:
    """TensorRT and CuPy; without a GPU nobody misses them."""
    found = {
        "TensorRT": next((f"{name} {installed(name)}" for name in _TENSORRT if installed(name)), ""),
        "CuPy": next((f"{name} {installed(name)}" for name in _CUPY if installed(name)), ""),
    }
    if why_no_driver():
        return [
            Finding(what=what, value=value or "not installed, and not needed here") for what, value in found.items()
        ]
    advice = "pip install 'augengine[gpu]', or --backend torch"
    return [
        Finding(what=what, value=value)
        if value
        else Finding(what=what, value="not installed", level="note", advice=advice)
        for what, value in found.items()
    ]


def _backend() -> Finding:
    """Name the backend that ``--backend auto`` takes, and say why it leaves a GPU unused."""
    try:
        chosen = pick_backend()
    except AugengineError as error:
        return Finding(what="backend", value=f"none: {error.message}", level="problem", advice=error.hint or "")
    reasons = () if why_no_driver() else choose_backend(backends())[1]
    value = f"auto takes {chosen.version()}"
    if reasons:
        return Finding(what="backend", value=value, level="note", advice=f"the GPU is unused: {'; '.join(reasons)}")
    return Finding(what="backend", value=value)


def _rooms() -> list[Finding]:
    shared = f"run containers with --shm-size={MIN_SHARED / 1e9:.0f}g: Ray keeps its objects there"
    return [
        look_at_room("shared memory", _SHARED, MIN_SHARED, shared),
        look_at_room("room here", Path.cwd(), MIN_FREE, "write datasets to a larger disk: --out"),
    ]


def look_at_room(what: str, folder: Path, least: float, advice: str) -> Finding:
    """How much is free on a folder's disk."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(what=what, value=f"{folder}: {error.strerror}", level="note", advice=advice)
    value = f"{free / 1e9:.1f} GB free in {folder}"
    if free >= least:
        return Finding(what=what, value=value)
    return Finding(what=what, value=value, level="note", advice=advice)
