"""What the NVIDIA driver says of this machine, asked without any CUDA package."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from augengine.errors import BackendUnavailable

_ON_CPU = "--backend openvino runs on the CPU"
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""


def why_no_driver() -> str:
    """Empty if there is an NVIDIA driver and a device, else the reason.

    Asked before anything of TensorRT that needs a driver: without one, a Runtime crashes the process at its exit.
    """
    try:
        compute_capability()
    except BackendUnavailable as error:
        return error.message
    return ""


def gpu_count() -> int:
    """Devices that this process may use; 0 without a driver."""
    if why_no_driver():
        return 0
    count = ctypes.c_int()
    _driver().cuDeviceGetCount(ctypes.byref(count))
    return count.value


@cache
def compute_capability() -> tuple[int, int]:
    """Compute capability of the first visible device, as (major, minor).

    Raises:
        BackendUnavailable: No driver, or no device.
    """
    cuda = _driver()
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    # In this order; each answers 0 or an error code.
    code = (
        cuda.cuInit(0)
        or cuda.cuDeviceGet(ctypes.byref(device), 0)
        or cuda.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    )
    if code:
        raise BackendUnavailable(f"the NVIDIA driver finds no device (CUDA error {code})", hint=_ON_CPU)
    return major.value, minor.value


@cache
def cuda_version() -> tuple[int, int]:
    """The newest CUDA that the driver knows, as (13, 0); (0, 0) if it does not say.

    Raises:
        BackendUnavailable: No driver.
    """
    version = ctypes.c_int()
    code = _driver().cuDriverGetVersion(ctypes.byref(version))
    return (0, 0) if code else (version.value // 1000, version.value % 1000 // 10)


def device_name() -> str:
    """Name of the first visible device; empty without a driver."""
    if why_no_driver():
        return ""
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    code = _driver().cuDeviceGet(ctypes.byref(device), 0) or _driver().cuDeviceGetName(name, len(name), device)
    return "" if code else name.value.decode(errors="replace")


def _driver() -> Any:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise BackendUnavailable(f"no NVIDIA driver here ({error})", hint=_ON_CPU) from error


class ForeignStream:
    """A CUDA stream's address as an object with ``__cuda_stream__``, which CuPy wants.

    Args:
        address: The stream as an integer; 0 is the default stream.
    """

    def __init__(self, address: int) -> None:
        self._address = address

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._address
