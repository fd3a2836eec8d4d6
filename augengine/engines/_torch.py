"""torch, the reference engine: the generator rebuilt from the stored ONNX, on a CPU or on a GPU.

On a CPU every image runs alone in one single-threaded worker, so that its bits depend neither on its neighbours nor
on the number of threads. What runs on a GPU is in `augengine.engines._torch_cuda`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
import platform
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.engines.base import Array, Engine, EngineSpec, Manifest, check_shapes
from augengine.engines.driver import why_no_driver
from augengine.engines.fusing import fusing_version
from augengine.engines.gpu_memory import why_no_cupy
from augengine.engines.onnx_types import read_model, recipe_of, weights_of
from augengine.errors import BackendUnavailable, EngineError, SpecError, WeightsError
from augengine.json_values import from_json
from augengine.machine import isa_limit
from augengine.spec import Precision

MAX_IMAGES = 64
"""Images of one call on a CPU. They run one by one; the bound only keeps a caller's arrays sane."""

_MODEL_FILE = "model.onnx"
_INSTALL = "pip install 'augengine[train]'"
_REBUILD = "delete its folder; it is built again at the next run"
_OTHER = "use --backend openvino, or tensorrt, which compile the graph as it is"
_thread_setting = Lock()
_LOG = logging.getLogger("augengine.engines")


class TorchBackend:
    """Keeps the ONNX file and loads it as a torch module."""

    name = "torch"

    def why_unavailable(self) -> str:
        """Empty if torch is installed, on a GPU with CuPy, which brings arrays there; else what to do."""
        if importlib.util.find_spec("torch") is None:
            return f"torch is not installed: {_INSTALL}"
        # The driver first: torch itself answers only after seconds of import.
        if why_no_driver() or not (reason := why_no_cupy()) or not _on_gpu():
            return ""
        return f"torch would run on the GPU, and {reason}"

    def version(self) -> str:
        """Name and version of the package, for example ``torch 2.13.0+cpu``.

        On a GPU that fuses the pass, which gives other bits, the version of what fuses it follows.

        Read from the packages' metadata, so that without an NVIDIA driver it costs no import.
        """
        try:
            own = f"torch {importlib.metadata.version('torch')}"
            return ", ".join(filter(None, (own, _fusing())))
        except importlib.metadata.PackageNotFoundError as error:
            raise BackendUnavailable("torch is not installed", hint=_INSTALL) from error

    def device_class(self) -> str:
        """The GPU's name, which decides cuDNN's kernels, else the CPU's vector unit: ``cpu-x86_64-avx512``.

        A limit that a variable sets to oneDNN follows, as in the class of OpenVINO.
        """
        torch = _torch()
        if torch.cuda.is_available():
            return "cuda-" + re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower())
        tier = torch.backends.cpu.get_cpu_capability().lower()
        return "-".join(filter(None, ("cpu", platform.machine().lower(), tier, isa_limit(os.environ))))

    def precisions(self) -> tuple[Precision, ...]:
        """float16 on a GPU only: a CPU has no fast one, and this engine is the reference."""
        return ("float16", "float32") if _on_gpu() else ("float32",)

    def why_no_int8(self) -> str:
        """It makes none: it is the reference, and on a GPU TensorRT makes them."""
        return "torch makes no int8 engines"

    def static_batch(self, height: int, width: int) -> int:
        """1 on a CPU; on a GPU 8 up to 256 px, 4 above."""
        if not _on_gpu():
            return 1
        return 8 if height * width <= 256 * 256 else 4

    def build(self, onnx_file: Path, spec: EngineSpec, folder: Path) -> str:
        """Check that the generator can be rebuilt from the file, and copy it.

        Raises:
            BackendUnavailable: torch is not installed.
            EngineError: A precision or a batch that it does not have here, or the folder cannot be written.
            WeightsError: The file cannot be read, or holds no generator of ours.
        """
        batch = self.static_batch(spec.height, spec.width)
        if spec.precision not in self.precisions() or (spec.batch != batch and not _on_gpu()):
            raise EngineError(
                f"torch makes engines of batch {batch} in {' and '.join(self.precisions())} here, asked for "
                f"{spec.precision}, batch {spec.batch}"
            )
        _rebuild(onnx_file)
        try:
            shutil.copyfile(onnx_file, folder / _MODEL_FILE)
        except OSError as error:
            raise EngineError(f"cannot write {folder / _MODEL_FILE}: {error.strerror}") from error
        return ""

    def load(self, folder: Path, manifest: Manifest, *, threads: int) -> Engine:
        """Load the module onto the GPU if there is one, else onto ``threads`` workers of one thread each.

        Raises:
            BackendUnavailable: torch is not installed.
            EngineError: The file cannot be read, or there is no room on the GPU.
        """
        try:
            generator = _rebuild(folder / _MODEL_FILE)
        except WeightsError as error:
            raise EngineError(f"the engine in {folder} is damaged: {error}", hint=_REBUILD) from error
        if _on_gpu():
            # Here: it imports torch, which every other backend does without.
            from augengine.engines._torch_cuda import CudaEngine

            return CudaEngine(generator, manifest.spec, fused=bool(_fusing()))
        return _CpuEngine(generator, manifest.spec, max(1, threads))


class _CpuEngine:
    """Implement `augengine.engines.base.Engine`."""

    device = "cpu"

    def __init__(self, generator: Any, spec: EngineSpec, threads: int) -> None:
        self.height, self.width, self.batch = spec.height, spec.width, MAX_IMAGES
        self._generator = generator.to(memory_format=_torch().channels_last)
        self._workers: ThreadPoolExecutor | None = _single_threaded_workers(threads)

    def __call__(self, x_nchw: Array, out_nchw: Array, *, stream: int = 0) -> None:  # noqa: ARG002 - the seam's
        """Translate a batch; the GIL is free while torch computes."""
        for name, array in (("input", x_nchw), ("output", out_nchw)):
            if not isinstance(array, np.ndarray) or array.dtype != np.float32 or not array.flags.c_contiguous:
                raise EngineError(f"the engine's {name} must be a C-contiguous float32 NumPy array")
        check_shapes(x_nchw.shape, out_nchw.shape, self)
        if not out_nchw.flags.writeable:
            raise EngineError("the engine's output must be writable")
        if self._workers is None:
            raise EngineError("the engine is closed")
        try:
            list(self._workers.map(self._translate, x_nchw, out_nchw))
        except RuntimeError as error:
            raise EngineError(f"torch failed while it ran the generator: {error}") from error

    def _translate(self, x_chw: NDArray[np.float32], out_chw: NDArray[np.float32]) -> None:
        torch = _torch()
        with torch.inference_mode():
            # A copy: torch warns of arrays that it may not write to.
            x = torch.tensor(x_chw[None]).to(memory_format=torch.channels_last)
            out_chw[...] = self._generator(x)[0].numpy()

    def close(self) -> None:
        """Stop the workers; closing twice is fine."""
        if self._workers is not None:
            self._workers.shutdown()
        self._workers = None


def _rebuild(onnx_file: Path) -> Any:
    """The generator in float32 on the CPU, from the recipe and the weights that the ONNX file carries.

    Raises:
        WeightsError: Unreadable, or no generator of ours.
    """
    torch, generators = _torch(), _generators()
    model = read_model(onnx_file)
    try:
        recipe = from_json(generators.Recipe, recipe_of(model))
    except (SpecError, WeightsError) as error:
        raise WeightsError(
            f"{onnx_file} carries no recipe of ours, which torch needs to rebuild it", hint=_OTHER
        ) from error
    state = {name: torch.from_numpy(values) for name, values in weights_of(model).items()}
    return generators.generator_from(recipe, state, str(onnx_file))


def _single_threaded_workers(threads: int) -> ThreadPoolExecutor:
    """Threads in which torch uses one thread each.

    torch keeps the number per thread, and a default for threads to come. A worker's setting changes that default,
    so all workers are started here, and the caller's number is put back before anybody else sees it.
    """
    torch = _torch()
    with _thread_setting:
        before = torch.get_num_threads()
        started = Barrier(threads)
        workers = ThreadPoolExecutor(threads, "torch engine", initializer=torch.set_num_threads, initargs=(1,))
        list(workers.map(lambda _: started.wait(), range(threads)))
        torch.set_num_threads(before)
    return workers


def _fusing() -> str:
    """What fuses the float16 pass on the GPU that torch uses; empty without either, or where it fails.

    It is part of an engine's id: where Triton fails, the plain pass runs and the id says so.
    """
    if why_no_driver() or not _on_gpu() or not (version := fusing_version()):
        return ""
    return "" if _why_kernels_fail() else version


@cache
def _why_kernels_fail() -> str:
    """Empty if Triton compiles and runs a small kernel on this GPU; else why not, which is logged once."""
    # Here: Triton takes a second to import, and a torch for CPUs does not bring it.
    from augengine.engines.fused import moments_of

    try:
        moments_of(_torch().zeros((1, 4, 4, 16), dtype=_torch().float16, device="cuda"), 1e-5)
    except Exception as error:  # noqa: BLE001 - Triton raises whatever its compilers do
        reason = f"{type(error).__name__}: {error}"
        _LOG.warning("Triton fails on this GPU, so the plain pass runs, about half as fast: %s", reason)
        return reason
    return ""


def _on_gpu() -> bool:
    return bool(_torch().cuda.is_available())


@cache
def _torch() -> Any:
    # Deferred: the import takes seconds, and every other backend runs without it.
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailable(f"torch cannot be imported: {error}", hint=_INSTALL) from error
    return torch


@cache
def _generators() -> Any:
    # Deferred with torch, which it imports.
    try:
        from augengine import generator
    except ImportError as error:
        raise BackendUnavailable(f"the generator needs another package: {error}", hint=_INSTALL) from error
    return generator
