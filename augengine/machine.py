"""What this process may use of the machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that oneDNN reads, and with it OpenVINO and torch; the first that is set counts."""

_NO_LIMIT = ("", "all", "default")


def cpu_threads() -> int:
    """CPU threads this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def isa_limit(environment: Mapping[str, str]) -> str:
    """The vector unit beyond which oneDNN makes no kernels, as ``max-avx2``; empty if nothing limits it."""
    value = next((environment[name] for name in ISA_LIMITS if environment.get(name)), "")
    limit = re.sub(r"[^a-z0-9]+", "_", value.strip().lower())
    return "" if limit in _NO_LIMIT else f"max-{limit}"
