"""Which backends there are, and which one a machine takes."""

from __future__ import annotations

from typing import Literal

from augengine.engines._openvino import OpenVinoBackend
from augengine.engines._tensorrt import TensorRtBackend
from augengine.engines._torch import TorchBackend
from augengine.engines.base import Backend
from augengine.engines.driver import why_no_driver
from augengine.errors import BackendUnavailable, SpecError

BackendName = Literal["auto", "openvino", "tensorrt", "torch"]


def backends() -> tuple[Backend, ...]:
    """Every backend, fastest first, available or not."""
    return TensorRtBackend(), TorchBackend(), OpenVinoBackend()


def pick_backend(name: BackendName = "auto") -> Backend:
    """The backend of this name; ``auto`` takes TensorRT, then torch on a GPU, then OpenVINO.

    Raises:
        SpecError: An unknown name.
        BackendUnavailable: It cannot run here; the message says why.
    """
    if name == "auto":
        name = _best_backend()
    by_name = {backend.name: backend for backend in backends()}
    if name not in by_name:
        raise SpecError(f"unknown backend {name!r}", hint=f"auto, {', '.join(sorted(by_name))}")
    if reason := by_name[name].why_unavailable():
        raise BackendUnavailable(f"the backend {name} cannot run here: {reason}", hint="--backend auto picks one")
    return by_name[name]


def _best_backend() -> BackendName:
    # Without a driver neither of the first two is asked: torch answers only after seconds of import.
    if why_no_driver():
        return "openvino"
    if not TensorRtBackend().why_unavailable():
        return "tensorrt"
    torch = TorchBackend()
    return "torch" if not torch.why_unavailable() and torch.device_class().startswith("cuda") else "openvino"
