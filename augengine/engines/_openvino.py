"""OpenVINO on a CPU: batch 1, as many streams as threads, one thread a stream.

Measured: this is the fastest mode of OpenVINO for these generators, and the only one whose bits depend neither on
the batch nor on the number of threads (bfloat16 with two threads a stream is off by 0.008 RMS from one).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.engines.base import EngineSpec, Manifest, check_batch
from augengine.engines.onnx_int8 import to_int8
from augengine.engines.onnx_types import fix_shape, read_model, save, to_float32
from augengine.errors import BackendUnavailable, EngineError, WrongDevice
from augengine.machine import isa_limit
from augengine.spec import Precision

MAX_IMAGES = 64
"""Images of one call. They run one by one; the bound only keeps a caller's arrays sane."""

_MODEL_FILE = "model.onnx"
_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}
_CPU_INFO = Path("/proc/cpuinfo")
_NATIVE_BF16 = {"amx_bf16", "avx512_bf16", "avx_ne_convert"}
_NATIVE_INT8 = {"amx_int8", "avx512_vnni", "avx_vnni", "avx_vnni_int8"}
_TIERS = (("amx_bf16", "amx"), ("avx512_bf16", "avx512_bf16"), ("avx512f", "avx512"), ("avx2", "avx2"))


class OpenVinoBackend:
    """Builds and loads OpenVINO engines."""

    name = "openvino"

    def why_unavailable(self) -> str:
        """Empty if the package is installed, else what to do."""
        if importlib.util.find_spec("openvino") is None:
            return "the package openvino is not installed: pip install openvino"
        return ""

    def version(self) -> str:
        """Name and version of the package, for example ``openvino 2026.4.1``.

        They are read from the package's metadata, so it costs no import.
        """
        return f"openvino {_installed_version()}"

    def device_class(self) -> str:
        """The machine and its widest vector unit, which decides the kernels: ``cpu-x86_64-avx512_bf16``.

        Where a variable of oneDNN forbids some of it, the limit follows: ``cpu-x86_64-amx-max-avx2``.
        """
        flags = _cpu_flags()
        tier = next((name for flag, name in _TIERS if flag in flags), "")
        return "-".join(filter(None, ("cpu", platform.machine().lower(), tier, isa_limit(os.environ))))

    def precisions(self) -> tuple[Precision, ...]:
        """bfloat16 only where the CPU multiplies in it: elsewhere it is emulated, slower than float32.

        float16 is left out: OpenVINO turns that hint into bfloat16 on most CPUs.
        """
        capable = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return ("bfloat16", "float32") if capable and _NATIVE_BF16 & _cpu_flags() else ("float32",)

    def why_no_int8(self) -> str:
        """A CPU without instructions for it adds products of bytes up in 16 bits, which overflow."""
        if not _NATIVE_INT8 & _cpu_flags():
            return "this CPU has no instructions for products of bytes (AMX or VNNI)"
        limit = isa_limit(os.environ)
        return f"a variable limits oneDNN to {limit.removeprefix('max-')}" if limit and not _knows_int8(limit) else ""

    def static_batch(self, height: int, width: int) -> int:  # noqa: ARG002 - the seam's signature
        """Always 1, see above."""
        return 1

    def build(self, onnx_file: Path, spec: EngineSpec, folder: Path) -> str:
        """Write the float32 graph in its static shape; OpenVINO compiles it at load, in 0.2 s.

        Raises:
            EngineError: A precision or a batch that this backend does not have, or a graph it refuses.
        """
        if spec.precision not in (*_HINTS, "int8") or spec.batch != 1:
            raise EngineError(
                f"openvino makes engines of batch 1 in {', '.join(_HINTS)} and int8, asked for {spec.precision}, "
                f"batch {spec.batch}"
            )
        model = to_float32(read_model(onnx_file))
        if spec.int8 is not None:
            model = to_int8(model, spec.int8, unsigned=True)
        save(fix_shape(model, 1, spec.height, spec.width), folder / _MODEL_FILE)
        _compile(folder / _MODEL_FILE, self._hint(spec), threads=1)
        return ""

    def load(self, folder: Path, manifest: Manifest, *, threads: int) -> OpenVinoEngine:
        """Compile what `build` wrote, with ``threads`` streams, or fewer if the process may use fewer cores.

        Raises:
            BackendUnavailable: The package is missing.
            EngineError: OpenVINO cannot read or compile the file.
            WrongDevice: An int8 engine, and this CPU has no instructions for it.
        """
        compiled = _compile(folder / _MODEL_FILE, self._hint(manifest.spec), threads=max(1, threads))
        return OpenVinoEngine(compiled, manifest.spec)

    def _hint(self, spec: EngineSpec) -> Precision:
        """The precision of what is not int8."""
        if spec.int8 is None:
            return spec.precision
        if reason := self.why_no_int8():
            raise WrongDevice(f"int8 does not run here: {reason}", hint="--precision auto takes another")
        return spec.int8.others


class OpenVinoEngine:
    """One compiled generator and its queue of infer requests, see `augengine.engines.base.Engine`.

    Calls from several threads are put one after another.
    """

    device = "cpu"

    def __init__(self, compiled: Any, spec: EngineSpec) -> None:
        self.height, self.width, self.batch = spec.height, spec.width, MAX_IMAGES
        self._queue: Any = _openvino().AsyncInferQueue(compiled, compiled.get_property("NUM_STREAMS"))
        self._queue.set_callback(_copy_out)
        self._lock = Lock()

    def __call__(self, x_nchw: NDArray[np.float32], out_nchw: NDArray[np.float32], *, stream: int = 0) -> None:  # noqa: ARG002
        """Translate a batch; the GIL is free while OpenVINO computes."""
        self._check(x_nchw, out_nchw)
        with self._lock:
            if self._queue is None:
                raise EngineError("the engine is closed")
            try:
                for x, out in zip(_rows(x_nchw), _rows(out_nchw), strict=True):
                    # OpenVINO shares only arrays that it could write to; a read-only one is copied.
                    self._queue.start_async({0: _openvino().Tensor(x, shared_memory=x.flags.writeable)}, out)
                self._queue.wait_all()
            except RuntimeError as error:
                raise EngineError(f"OpenVINO failed while it ran the generator: {error}") from error

    def _check(self, x_nchw: NDArray[np.float32], out_nchw: NDArray[np.float32]) -> None:
        core()  # refuses a forked process
        for name, array in (("input", x_nchw), ("output", out_nchw)):
            if not isinstance(array, np.ndarray) or array.dtype != np.float32 or not array.flags.c_contiguous:
                raise EngineError(f"the engine's {name} must be a C-contiguous float32 NumPy array, got {_seen(array)}")
            if array.shape[1:] != (3, self.height, self.width):
                raise EngineError(f"the engine's {name} is (N, 3, {self.height}, {self.width}), got {array.shape}")
        if x_nchw.shape != out_nchw.shape or not out_nchw.flags.writeable:
            raise EngineError(f"the output must be writable and shaped like the input, {x_nchw.shape}")
        check_batch(len(x_nchw), self.batch)

    def close(self) -> None:
        """Release the compiled model and its threads; closing twice is fine."""
        with self._lock:
            self._queue = None


def _rows(array_nchw: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [array_nchw[index : index + 1] for index in range(len(array_nchw))]


def _copy_out(request: Any, out: NDArray[np.float32]) -> None:
    out[...] = request.get_output_tensor(0).data


def _seen(value: object) -> str:
    return f"{value.dtype} of strides {value.strides}" if isinstance(value, np.ndarray) else type(value).__name__


def settings(precision: Precision, threads: int) -> dict[str, Any]:
    """What a graph is compiled with: ``threads`` streams of a thread each, the arithmetic in ``precision``."""
    # Pinning stays off: two processes would be pinned to the same first cores. A fleet gives each worker its share by
    # CPU affinity, which OpenVINO respects. Hyper-threads count, or a machine of one core would lose a stream.
    return {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
        "ENABLE_HYPER_THREADING": True,
        "SCHEDULING_CORE_TYPE": "ANY_CORE",
    }


def _compile(file: Path, precision: Precision, *, threads: int) -> Any:
    try:
        compiled = core().compile_model(core().read_model(file), "CPU", settings(precision, threads))
        streams, workers = (compiled.get_property(name) for name in ("NUM_STREAMS", "INFERENCE_NUM_THREADS"))
    except RuntimeError as error:
        hint = "delete its folder; it is built again at the next run"
        raise EngineError(f"OpenVINO cannot compile {file}: {error}", hint=hint) from error
    if streams != workers:
        raise EngineError(f"OpenVINO made {streams} streams of {workers} threads: the bits would depend on both")
    return compiled


def _openvino() -> Any:
    # Deferred: the import takes a good part of a second and needs no torch or GPU, yet many commands use no engine.
    try:
        import openvino
    except ImportError as error:
        raise BackendUnavailable(f"openvino cannot be imported: {error}", hint="pip install openvino") from error
    return openvino


def core() -> Any:
    """This process's one OpenVINO core; all that compile here share it, and it is never freed.

    A core brings its thread an alternate signal stack and gives back the one from before when it is freed. Of two
    that are freed in the order they were made, the second gives back the first's, which is gone: the next signal
    that Python handles (a child's end, Ctrl-C) then ends the process without a word.

    Raises:
        EngineError: The core was made by the process that this one was forked from.
    """
    made_in, found = _core()
    if made_in != os.getpid():
        # In the message, since a DataLoader hands on nothing else of a worker's error.
        advice = "start workers with spawn, as by DataLoader(..., multiprocessing_context='spawn')"
        raise EngineError(f"this process was forked from one that had used OpenVINO, and would hang: {advice}")
    return found


@cache
def _core() -> tuple[int, Any]:
    """The process that made it, and the core. A fork copies OpenVINO without its threads: even a new core hangs."""
    return os.getpid(), _openvino().Core()


@cache
def _installed_version() -> str:
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError as error:
        raise BackendUnavailable("openvino is not installed", hint="pip install openvino") from error


def _knows_int8(limit: str) -> bool:
    """Whether a limit of oneDNN, ``max-avx512_core_vnni``, leaves products of bytes in."""
    return any(name in limit for name in ("vnni", "bf16", "fp16", "amx", "avx10"))


@cache
def _cpu_flags() -> frozenset[str]:
    """What /proc/cpuinfo says of the first core; empty where there is none (macOS, Windows, ARM names differ)."""
    if os.name != "posix" or not _CPU_INFO.is_file():
        return frozenset()
    line = next((line for line in _CPU_INFO.read_text().splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())
