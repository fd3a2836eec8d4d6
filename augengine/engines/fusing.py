"""Whether the fused pass of torch can run here, and by what: Triton, and what Triton compiles its launchers with."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

REVISION = 1
"""Revision of the arithmetic in `augengine.engines.fused`. It is part of an engine's identity.

Raise it with every change there that changes output bits."""

_COMPILERS = ("gcc", "clang")


def fusing_version() -> str:
    """Versions of the kernels and of their compiler, for example ``fused 1 by triton 3.6.0``.

    It is empty where the kernels cannot be compiled, and costs no import.
    """
    if why_no_launchers(os.environ, Path(sysconfig.get_path("include"))):
        return ""
    try:
        return f"fused {REVISION} by triton {importlib.metadata.version('triton')}"
    except importlib.metadata.PackageNotFoundError:
        return ""


def why_no_launchers(environment: Mapping[str, str], include: Path) -> str:
    """Empty if Triton can compile the C that launches its kernels, else what it lacks; as it looks itself.

    Args:
        environment: Whose ``CC`` goes before gcc and clang, even one that does not exist.
        include: Where Python's headers should lie.
    """
    wanted = (environment["CC"],) if environment.get("CC") else _COMPILERS
    if not any(map(shutil.which, wanted)):
        return f"no C compiler: {' or '.join(wanted)}"
    return "" if (include / "Python.h").is_file() else f"no headers of Python in {include}"
