"""Which backends there are, and which one a machine takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from augengine.engines._openvino import OpenVinoBackend
from augengine.engines._tensorrt import TensorRtBackend
from augengine.engines._torch import TorchBackend
from augengine.engines.base import Backend
from augengine.engines.driver import why_no_driver
from augengine.errors import BackendUnavailable, SpecError
from augengine.spec import BackendName


def backends() -> tuple[Backend, ...]:
    """Every backend, fastest first, available or not."""
    return TensorRtBackend(), TorchBackend(), OpenVinoBackend()


def pick_backend(name: BackendName = "auto", on_note: Callable[[str], object] = lambda _: None) -> Backend:
    """The backend of this name; ``auto`` takes TensorRT, then torch on a GPU, then OpenVINO.

    Args:
        name: A backend's, or ``auto``.
        on_note: Told why ``auto`` leaves a GPU unused.

    Raises:
        SpecError: An unknown name.
        BackendUnavailable: It cannot run here; the message says why.
    """
    if name == "auto":
        # Without a driver the first two are not asked: torch answers only after seconds of import.
        backend, reasons = choose_backend(backends()[-1:] if why_no_driver() else backends())
        if reasons:
            on_note(f"this machine has a GPU, but {backend.name} runs on its CPU: {'; '.join(reasons)}")
        return _checked(backend)
    by_name = {backend.name: backend for backend in backends()}
    if name not in by_name:
        raise SpecError(f"unknown backend {name!r}", hint=f"auto, {', '.join(sorted(by_name))}")
    return _checked(by_name[name])


def choose_backend(candidates: Sequence[Backend]) -> tuple[Backend, tuple[str, ...]]:
    """The first that runs on a GPU here, else the last, which runs on the CPU.

    Returns:
        It; and, if it is the last of several, why each before it does not run on the GPU.
    """
    reasons = []
    for backend in candidates[:-1]:
        if not (reason := why_not_on_gpu(backend)):
            return backend, ()
        reasons.append(f"{backend.name}: {reason}")
    return candidates[-1], tuple(reasons)


def why_not_on_gpu(backend: Backend) -> str:
    """Empty if a backend runs on this machine's GPU, else the reason."""
    try:
        reason = backend.why_unavailable()
        return reason or ("" if backend.device_class().startswith("cuda-") else "it runs on the CPU here")
    except BackendUnavailable as error:
        return error.message


def _checked(backend: Backend) -> Backend:
    if reason := backend.why_unavailable():
        raise BackendUnavailable(
            f"the backend {backend.name} cannot run here: {reason}", hint="--backend auto picks one"
        )
    return backend
