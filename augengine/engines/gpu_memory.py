"""Memory of a GPU, which CuPy owns here. Imported late: the package is there only with the extras `gpu` and `rtx`.

Not yet run on a GPU.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Any

from augengine.engines.driver import cuda_version, why_no_driver
from augengine.errors import BackendUnavailable, EngineError

INSTALL = "pip install 'augengine[rtx]', or 'augengine[gpu]' where NVIDIA's own index is reachable"
"""What brings CuPy, and TensorRT with it."""


_CUDA = (13, 0)
"""CUDA version of the packages that the extras install; a driver that knows only older ones runs none of them."""


def why_no_cupy() -> str:
    """Empty if CuPy is installed, and the driver, if there is one, new enough; else what to do. It costs no import."""
    if importlib.util.find_spec("cupy") is None:
        return f"the package cupy is not installed: {INSTALL}"
    return "" if why_no_driver() or not _is_the_extras() else why_too_old(cuda_version())


def _is_the_extras() -> bool:
    """Whether CuPy is the build that the extras bring; another one has a floor of its own."""
    try:
        return bool(importlib.metadata.version("cupy-cuda13x"))
    except importlib.metadata.PackageNotFoundError:
        return False


def why_too_old(cuda: tuple[int, int]) -> str:
    """Empty if a driver that knows this CUDA runs the extras' packages, else what to do."""
    if cuda >= _CUDA or cuda == (0, 0):  # it does not say
        return ""
    known, wanted = (".".join(map(str, version)) for version in (cuda, _CUDA))
    return f"the NVIDIA driver knows CUDA {known}, CuPy needs {wanted}: update the driver to 580 or newer"


def load_cupy() -> Any:
    """CuPy.

    Raises:
        BackendUnavailable: It is missing, or cannot be imported.
    """
    try:
        import cupy
    except ImportError as error:
        raise BackendUnavailable(f"cupy cannot be imported: {error}", hint=INSTALL) from error
    return cupy


def free_bytes(device_id: int) -> int:
    """What is free on a GPU now, whoever took the rest.

    Raises:
        BackendUnavailable: CuPy is missing.
        EngineError: The GPU does not answer.
    """
    try:
        free, _ = load_cupy().cuda.Device(device_id).mem_info
    except RuntimeError as error:
        raise EngineError(f"GPU {device_id} does not tell its free memory: {error}") from error
    return int(free)
