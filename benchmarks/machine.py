"""What a result says of the machine and of the packages it was measured with."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from augengine.machine import isa_limit

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def machine_facts() -> dict[str, Any]:
    """Processor, cores, what it computes natively, what a variable forbids of it, how busy it was, Python."""
    return {
        "cpu": platform.machine(),
        "model": _field("model name") or platform.processor(),
        "instructions": [flag for flag in _FLAGS if flag in _field("flags").split()],
        "isa_limit": isa_limit(os.environ),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def _field(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def versions(names: Sequence[str]) -> dict[str, str]:
    """Package -> version; what is not installed is said to be missing."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
