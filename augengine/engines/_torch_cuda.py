"""The torch engine on a GPU: its float16 pass fused where the kernels know the generator, recorded as a CUDA graph.

Not yet run on a GPU.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from augengine.engines.base import Array, EngineSpec, check_shapes
from augengine.engines.cuda_graph import Pass, choose_pass, record_pass
from augengine.errors import EngineError
from augengine.generator import Generator, to_half


class Placed(NamedTuple):
    """A generator's pass on a device.

    Attributes:
        translate: float32 (N, 3, H, W) to the same.
        kind: Its name before an engine's ``how``.
        memory_format: Memory format of the input that it takes without a copy.
    """

    translate: Callable[[Tensor], Tensor]
    kind: str
    memory_format: torch.memory_format


def place(generator: Generator, spec: EngineSpec, device: torch.device, *, fused: bool) -> Placed:
    """Put a generator's pass onto a device; the generator itself is left alone.

    Args:
        generator: float32, on the CPU.
        spec: Precision and shape.
        device: Where it will run.
        fused: Whether Triton can be used.
    """
    if spec.precision == "float16" and fused:
        # Here: Triton takes a second to import, and a torch for CPUs does not bring it.
        from augengine.engines.fused import FusedGenerator, why_not_fused

        if not why_not_fused(generator.recipe, spec.height, spec.width):
            translate = FusedGenerator(generator, spec.height, spec.width, device)
            return Placed(translate, "fused, ", torch.contiguous_format)
    typed = to_half(generator) if spec.precision == "float16" else copy.deepcopy(generator)
    plain = typed.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Placed(plain, "", torch.channels_last)


class CudaEngine:
    """Implement `augengine.engines.base.Engine`.

    Arrays come through DLPack without a copy. A batch is copied into the engine's own, padded one; rows beyond it
    keep what an earlier batch left, since images do not see each other. The pass over it is recorded at load.

    Args:
        generator: float32, on the CPU.
        spec: Precision and static shape.
        fused: Whether Triton can be used.

    Attributes:
        how: ``CUDA graph``, or ``eager`` with the reason why it is not recorded; ``fused`` before it if it is.
    """

    device = "cuda"

    def __init__(self, generator: Generator, spec: EngineSpec, *, fused: bool) -> None:
        self.height, self.width, self.batch = spec.height, spec.width, spec.batch
        shape = (spec.batch, 3, spec.height, spec.width)
        try:
            placed = place(generator, spec, torch.device("cuda"), fused=fused)
            ramp = torch.linspace(-1, 1, math.prod(shape), device="cuda").reshape(shape)
            self._x: Tensor | None = ramp.to(memory_format=placed.memory_format)
            with exact(), torch.inference_mode():
                chosen, how = choose_pass(partial(placed.translate, self._x), partial(record_pass, torch), torch.equal)
        except Exception as error:
            raise explain(error) from error
        self._pass: Pass | None = chosen
        self.how = placed.kind + how
        self._done, self._lock = torch.cuda.Event(), Lock()  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()

    def __call__(self, x_nchw: Array, out_nchw: Array, *, stream: int = 0) -> None:
        """Enqueue a batch on ``stream``; it returns before the device is done."""
        current = _stream(stream)
        with self._lock, exact(), torch.inference_mode(), torch.cuda.stream(current):
            if self._pass is None or self._x is None:
                raise EngineError("the engine is closed")
            x, out = _from_dlpack(x_nchw), _from_dlpack(out_nchw)
            check_shapes(tuple(x.shape), tuple(out.shape), self)
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
                torch.cuda.synchronize()
            self._pass = self._x = None


def explain(error: Exception) -> EngineError:
    """torch raises RuntimeError; Triton whatever its compilers do, and a CompilationError of its own."""
    what = f"cannot load the generator onto the GPU: {type(error).__name__}: {error}"
    if isinstance(error, RuntimeError):
        return EngineError(what, hint="use fewer workers")
    return EngineError(what, hint="without Triton the plain pass runs: pip uninstall triton, then build the engines")


def exact() -> Any:
    """Kernels whose bits are the same every time, without TF32."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def _stream(stream: int) -> Any:
    if not stream:
        return torch.cuda.default_stream()
    return torch.cuda.ExternalStream(stream)  # type: ignore[no-untyped-call]


def _from_dlpack(array: Array) -> Tensor:
    if not hasattr(array, "__dlpack__") or isinstance(array, np.ndarray):
        raise EngineError(f"a torch engine on a GPU takes arrays in device memory, got {type(array).__name__}")
    tensor: Tensor = torch.from_dlpack(array)  # type: ignore[attr-defined]
    if tensor.dtype != torch.float32 or not tensor.is_cuda or not tensor.is_contiguous():
        raise EngineError(f"the engine's arrays must be contiguous float32 on the GPU, got {tensor.dtype}")
    return tensor
