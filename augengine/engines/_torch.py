"""torch, the reference engine: the generator rebuilt from the stored ONNX, on a CPU or on a GPU.

On a CPU every image runs alone in one single-threaded worker, so that its bits depend neither on its neighbours nor
on the number of threads. What touches a GPU is written against the documented interface and not yet run on one.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import os
import platform
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from threading import Barrier, Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augengine.engines.base import Array, Engine, EngineSpec, Manifest, check_batch
from augengine.engines.cuda_graph import Pass, choose_pass, record_pass
from augengine.engines.driver import why_no_driver
from augengine.engines.gpu_memory import why_no_cupy
from augengine.engines.onnx_types import read_model, recipe_of, weights_of
from augengine.errors import BackendUnavailable, EngineError, SpecError, WeightsError
from augengine.machine import isa_limit
from augengine.spec import Precision

if TYPE_CHECKING:
    from torch import Tensor

MOST_IMAGES = 64
"""Images of one call on a CPU. They run one by one; the bound only keeps a caller's arrays sane."""

_MODEL_FILE = "model.onnx"
_INSTALL = "pip install 'augengine[train]'"
_REBUILD = "delete its folder; it is built again at the next run"
_thread_setting = Lock()


class TorchBackend:
    """Keeps the ONNX file and loads it as a torch module."""

    name = "torch"

    def why_unavailable(self) -> str:
        """Empty if the packages are installed, on a GPU with CuPy, which brings arrays there; else what to do."""
        missing = [package for package in ("torch", "safetensors") if importlib.util.find_spec(package) is None]
        if missing:
            return f"{' and '.join(missing)} not installed: {_INSTALL}"
        # The driver first: torch itself answers only after seconds of import.
        if why_no_driver() or not (reason := why_no_cupy()) or not _on_gpu():
            return ""
        return f"torch would run on the GPU, and {reason}"

    def version(self) -> str:
        """As ``torch 2.13.0+cpu``; read from the package's metadata, so it costs no import."""
        try:
            return f"torch {importlib.metadata.version('torch')}"
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
            return _CudaEngine(generator, manifest.spec)
        return _CpuEngine(generator, manifest.spec, max(1, threads))


class _CpuEngine:
    """See `augengine.engines.base.Engine`."""

    device = "cpu"

    def __init__(self, generator: Any, spec: EngineSpec, threads: int) -> None:
        self.height, self.width, self.batch = spec.height, spec.width, MOST_IMAGES
        self._generator = generator.to(memory_format=_torch().channels_last)
        self._workers: ThreadPoolExecutor | None = _single_threaded_workers(threads)

    def __call__(self, x_nchw: Array, out_nchw: Array, *, stream: int = 0) -> None:  # noqa: ARG002 - the seam's
        """Translate a batch; the GIL is free while torch computes."""
        for name, array in (("input", x_nchw), ("output", out_nchw)):
            if not isinstance(array, np.ndarray) or array.dtype != np.float32 or not array.flags.c_contiguous:
                raise EngineError(f"the engine's {name} must be a C-contiguous float32 NumPy array")
        _check_shapes(x_nchw.shape, out_nchw.shape, self)
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


class _CudaEngine:
    """See `augengine.engines.base.Engine`. Not yet run on a GPU.

    Arrays come through DLPack without a copy. A batch is copied into the engine's own, padded one; rows beyond it
    keep what an earlier batch left, since images do not see each other. The pass over it is recorded at load.

    Attributes:
        how: ``CUDA graph``, or ``eager`` with the reason why it is not recorded.
    """

    device = "cuda"

    def __init__(self, generator: Any, spec: EngineSpec) -> None:
        torch = _torch()
        self.height, self.width, self.batch = spec.height, spec.width, spec.batch
        shape = (spec.batch, 3, spec.height, spec.width)
        try:
            typed = _generators().to_half(generator) if spec.precision == "float16" else generator
            placed = typed.to("cuda", memory_format=torch.channels_last)
            ramp = torch.linspace(-1, 1, math.prod(shape), device="cuda").reshape(shape)
            self._x = ramp.to(memory_format=torch.channels_last)
            with _exact(), torch.inference_mode():
                eager, record = partial(placed, self._x), partial(record_pass, torch)
                chosen, self.how = choose_pass(eager, record, torch.equal)
        except RuntimeError as error:
            raise EngineError(f"cannot load the generator onto the GPU: {error}", hint="use fewer workers") from error
        self._pass: Pass | None = chosen
        self._done, self._lock = torch.cuda.Event(), Lock()
        torch.cuda.synchronize()

    def __call__(self, x_nchw: Array, out_nchw: Array, *, stream: int = 0) -> None:
        """Enqueue a batch on ``stream``; it returns before the device is done."""
        torch = _torch()
        current = torch.cuda.ExternalStream(stream) if stream else torch.cuda.default_stream()
        with self._lock, _exact(), torch.inference_mode(), torch.cuda.stream(current):
            if self._pass is None:
                raise EngineError("the engine is closed")
            x, out = _from_dlpack(x_nchw), _from_dlpack(out_nchw)
            _check_shapes(tuple(x.shape), tuple(out.shape), self)
            current.wait_event(self._done)
            try:
                self._x[: len(x)].copy_(x)
                out.copy_(self._pass()[: len(x)])
            except RuntimeError as error:
                raise EngineError(f"torch failed while it ran the generator: {error}") from error
            self._done.record(current)

    def close(self) -> None:
        """Wait for what is enqueued and release the weights; closing twice is fine."""
        with self._lock:
            if self._pass is not None:
                _torch().cuda.synchronize()
            self._pass = self._x = None


def _exact() -> Any:
    """Kernels whose bits are the same every time, without TF32."""
    return _torch().backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def _check_shapes(x: tuple[int, ...], out: tuple[int, ...], engine: Engine) -> None:
    if x != out or len(x) != 4 or x[1:] != (3, engine.height, engine.width):
        raise EngineError(f"the engine takes and gives (N, 3, {engine.height}, {engine.width}), got {x} and {out}")
    check_batch(x[0], engine.batch)


def _from_dlpack(array: Array) -> Tensor:
    torch = _torch()
    if not hasattr(array, "__dlpack__") or isinstance(array, np.ndarray):
        raise EngineError(f"a torch engine on a GPU takes arrays in device memory, got {type(array).__name__}")
    tensor: Tensor = torch.from_dlpack(array)
    if tensor.dtype != torch.float32 or not tensor.is_cuda or not tensor.is_contiguous():
        raise EngineError(f"the engine's arrays must be contiguous float32 on the GPU, got {tensor.dtype}")
    return tensor


def _rebuild(onnx_file: Path) -> Any:
    """The generator in float32 on the CPU, from the recipe and the weights that the ONNX file carries.

    Raises:
        WeightsError: Unreadable, or no generator of ours.
    """
    torch, generators = _torch(), _generators()
    model = read_model(onnx_file)
    try:
        recipe = generators.Recipe.from_json(recipe_of(model))
    except SpecError as error:
        raise WeightsError(f"{onnx_file} carries no recipe of ours: {error}", hint="export it anew") from error
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
