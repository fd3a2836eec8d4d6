"""TensorRT and TensorRT for RTX: two packages, one interface.

TensorRT for RTX builds without a GPU or a driver; running needs both, and CuPy. Types come from the graph (strongly
typed): float32 without TF32, or the float16 form whose InstanceNorms run in float32.

Written against the documented interface; what touches a device is not yet run on a GPU.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from augengine.digests import bytes_digest
from augengine.engines.base import Array, EngineSpec, Manifest, check_batch
from augengine.engines.driver import ForeignStream, compute_capability, why_no_driver
from augengine.engines.gpu_memory import load_cupy, why_no_cupy
from augengine.engines.onnx_typed import to_typed
from augengine.engines.onnx_types import INPUT, OUTPUT, fix_shape, read_model, to_bytes
from augengine.engines.trt_packages import PACKAGES, load_package
from augengine.errors import BackendUnavailable, EngineError
from augengine.spec import Precision

_PLAN = "engine.plan"
_DLPACK_CUDA = 2
_ALIGNMENT = 256
"""Bytes; TensorRT takes only addresses that are a multiple of it."""


class TensorRtBackend:
    """Builds and loads TensorRT plans.

    Args:
        package: ``tensorrt`` or ``tensorrt_rtx``; empty for the first of them that runs on this machine.
        unlisted: Also on a GPU that the package does not list: to find out whether it runs there all the same.
    """

    name = "tensorrt"

    def __init__(self, package: str = "", *, unlisted: bool = False) -> None:
        self._names = (package,) if package else PACKAGES
        self._unlisted = unlisted

    def why_unavailable(self) -> str:
        """Empty if engines can be built and run here, else what is missing."""
        try:
            self._package()
        except BackendUnavailable as error:
            return f"{error.message}: {error.hint}"
        return why_no_driver() or why_no_cupy()

    def version(self) -> str:
        """Name and version of the package, for example ``tensorrt_rtx 1.7.1.116``."""
        return f"{self._package().__name__} {self._package().__version__}"

    def device_class(self) -> str:
        """``cuda-sm90``; without a driver ``cuda-any``: such a plan shows that it builds, no machine loads it."""
        if why_no_driver():
            return "cuda-any"
        major, minor = compute_capability()
        return f"cuda-sm{major}{minor}"

    def precisions(self) -> tuple[Precision, ...]:
        """float16 and float32. A bfloat16 ConvTranspose does not build in TensorRT for RTX 1.7."""
        return ("float16", "float32")

    def why_no_int8(self) -> str:
        """Every GPU that TensorRT supports multiplies bytes."""
        return ""

    def static_batch(self, height: int, width: int) -> int:
        """8 up to 256 px, 4 above: work enough for a large GPU at 256 px, and half the waiting for a short batch."""
        return 8 if height * width <= 256 * 256 else 4

    def build(self, onnx_file: Path, spec: EngineSpec, folder: Path) -> str:
        """Compile a plan. A rebuild has other bits, so the plan's digest is part of what the engine is.

        Raises:
            BackendUnavailable: Neither package is installed, or neither runs on this GPU.
            EngineError: A precision it does not have, or TensorRT refused the graph.
        """
        if spec.precision not in (*self.precisions(), "int8"):
            raise EngineError(f"tensorrt has no {spec.precision}", hint="--precision float16 or float32")
        model = to_bytes(fix_shape(to_typed(read_model(onnx_file), spec), spec.batch, spec.height, spec.width))
        plan = _build_plan(self._package(), model, unlisted=self._unlisted)
        (folder / _PLAN).write_bytes(plan)
        return bytes_digest(plan)

    def load(self, folder: Path, manifest: Manifest, *, threads: int) -> TensorRtEngine:  # noqa: ARG002 - the seam's
        """Load a plan onto the current device.

        Raises:
            BackendUnavailable: Package, driver or CuPy is missing.
            EngineError: TensorRT cannot load the plan.
        """
        if reason := self.why_unavailable():
            raise BackendUnavailable(f"a TensorRT engine cannot run here: {reason}")
        try:
            plan = (folder / _PLAN).read_bytes()
        except OSError as error:
            raise EngineError(f"cannot read {folder / _PLAN}: {error.strerror}", hint="build it again") from error
        try:
            return TensorRtEngine(self._package(), plan, manifest.spec)
        except MemoryError as error:
            raise EngineError(f"no room on the GPU for {folder}: {error}", hint="use fewer workers a GPU") from error
        except RuntimeError as error:
            raise EngineError(f"the GPU does not take {folder}: {error}", hint="does nvidia-smi show it?") from error

    def _package(self) -> Any:
        return load_package(self._names, unlisted=self._unlisted)


class TensorRtEngine:
    """One plan and its execution context, see `augengine.engines.base.Engine`.

    Arrays are anything that CuPy takes without a copy (``__cuda_array_interface__`` or DLPack). A full batch at an
    aligned address is used in place, anything else goes through the engine's own buffers. Calls on different
    streams wait for each other, since they share the context.
    """

    device = "cuda"

    def __init__(self, trt: Any, plan: bytes, spec: EngineSpec) -> None:
        cupy = load_cupy()
        cupy.cuda.Device().use()  # The plan loads into CuPy's context.
        self.height, self.width, self.batch = spec.height, spec.width, spec.batch
        self._log = _log(trt)
        self._runtime = trt.Runtime(self._log)
        self._engine = _checked(self._runtime.deserialize_cuda_engine(plan), "cannot load the plan", self._log)
        context = self._engine.create_execution_context()
        self._context: Any = _checked(context, "cannot make an execution context", self._log)
        shape = (self.batch, 3, self.height, self.width)
        self._x, self._y = (cupy.zeros(shape, dtype=cupy.float32) for _ in range(2))
        self._done, self._last_stream = cupy.cuda.Event(disable_timing=True), 0
        cupy.cuda.get_current_stream().synchronize()
        self._lock = Lock()

    def __call__(self, x_nchw: Array, out_nchw: Array, *, stream: int = 0) -> None:
        """Enqueue a batch on ``stream``; it returns before the device is done."""
        cupy = load_cupy()
        x, out = _as_cupy(x_nchw), _as_cupy(out_nchw)
        self._check(x, out)
        with self._lock, cupy.cuda.Stream.from_external(ForeignStream(stream)) as current:
            if self._context is None:
                raise EngineError("the engine is closed")
            if stream != self._last_stream:
                current.wait_event(self._done)
            try:
                self._enqueue(x, out, stream)
                self._done.record(current)
            except cupy.cuda.runtime.CUDARuntimeError as error:
                raise EngineError(f"CUDA failed while the generator ran: {error}") from error
            self._last_stream = stream

    def _enqueue(self, x: Any, out: Any, stream: int) -> None:
        n = len(x)
        # Rows beyond n keep what an earlier batch left: images do not see each other.
        if not (x_in_place := self._fits(x)):
            self._x[:n] = x
        y = out if self._fits(out) else self._y
        self._context.set_tensor_address(INPUT, (x if x_in_place else self._x).data.ptr)
        self._context.set_tensor_address(OUTPUT, y.data.ptr)
        if not self._context.execute_async_v3(stream):
            raise EngineError(f"TensorRT failed while it ran the generator: {self._log.drain()}")
        if y is not out:
            out[...] = self._y[:n]

    def _fits(self, array: Any) -> bool:
        return len(array) == self.batch and array.data.ptr % _ALIGNMENT == 0

    def _check(self, x: Any, out: Any) -> None:
        for name, array in (("input", x), ("output", out)):
            if array.dtype != "float32" or not array.flags.c_contiguous:
                raise EngineError(f"the engine's {name} must be C-contiguous float32, got {array.dtype}")
            if array.shape[1:] != (3, self.height, self.width):
                raise EngineError(f"the engine's {name} is (N, 3, {self.height}, {self.width}), got {array.shape}")
        if x.shape != out.shape:
            raise EngineError(f"the output must be shaped like the input, {x.shape}, got {out.shape}")
        check_batch(len(x), self.batch)

    def close(self) -> None:
        """Wait for what is enqueued and release the context and the buffers; closing twice is fine."""
        with self._lock:
            if self._context is not None:
                load_cupy().cuda.Device().synchronize()
            self._context = self._engine = self._runtime = self._x = self._y = None


def _as_cupy(array: Array) -> Any:
    cupy = load_cupy()
    if isinstance(array, cupy.ndarray):
        return array
    if hasattr(array, "__cuda_array_interface__"):
        return cupy.asarray(array)
    if hasattr(array, "__dlpack__") and array.__dlpack_device__()[0] == _DLPACK_CUDA:
        return cupy.from_dlpack(array)
    raise EngineError(f"a TensorRT engine takes arrays in device memory, got {type(array).__name__}")


def _build_plan(trt: Any, model: bytes, *, unlisted: bool) -> bytes:
    has_gpu = not why_no_driver()
    if trt.__name__ == "tensorrt" and not has_gpu:
        raise BackendUnavailable(
            f"tensorrt builds only on a GPU: {why_no_driver()}", hint="tensorrt_rtx builds without one"
        )
    (log := _log(trt)).drain()
    builder = trt.Builder(log)
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        reasons = "; ".join(f"{error.node_operator()} {error.node_name()}: {error.desc()}" for error in errors)
        raise EngineError(f"TensorRT cannot read the generator: {reasons}", hint="export it with augengine")
    config = builder.create_builder_config()
    if hasattr(trt.BuilderFlag, "TF32"):  # On by default, with 10 bits of mantissa in "float32" convolutions.
        config.clear_flag(trt.BuilderFlag.TF32)
    if has_gpu:
        # A GPU that is not listed may be refused as a target: then for all that are, in the hope that one of them fits.
        with suppress(EngineError) if unlisted else nullcontext():
            set_target(trt, config, "CURRENT")
    return bytes(_checked(builder.build_serialized_network(network, config), "cannot build the generator", log))


def set_target(trt: Any, config: Any, target: str) -> None:
    """Build for one kind of GPU alone. Left out, TensorRT for RTX builds for all that it lists.

    Args:
        trt: The package; nothing is done if it names no targets, as TensorRT proper.
        config: The build's configuration, to which the target is added.
        target: ``CURRENT``, or a kind of GPU such as ``SM89``.

    Raises:
        EngineError: The package refuses the target.
    """
    if not hasattr(trt, "ComputeCapability") or not hasattr(config, "set_compute_capability"):
        return
    config.num_compute_capabilities = 1
    if not config.set_compute_capability(getattr(trt.ComputeCapability, target), 0):
        config.num_compute_capabilities = 0
        raise EngineError(f"TensorRT does not build for {target}: {_log(trt).drain()}")


def _network_flags(trt: Any) -> int:
    # Version 11 has strong typing only, and may drop the flag that asks for it.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _checked(result: Any, what: str, log: Any) -> Any:
    if result is None:
        raise EngineError(f"TensorRT {what}: {log.drain()}", hint="--backend torch runs without TensorRT")
    return result


@cache
def _log(trt: Any) -> Any:
    """A package's one logger: it keeps the last errors for our own messages and prints nothing."""

    class Log(trt.ILogger):  # type: ignore[misc] # the base class is known only once imported
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self._errors = [*self._errors[-9:], message]

        def drain(self) -> str:
            """The errors since the last call, in one line."""
            errors, self._errors = self._errors, []
            return "; ".join(errors) or "no reason given"

    return Log()
