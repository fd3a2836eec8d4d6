"""The seam: what an engine is, what a backend does, and the manifest that says what an engine was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from augengine.engines.int8_form import Int8Form
from augengine.errors import BatchTooLarge, EngineError, SpecError
from augengine.spec import MIN_SIDE, SIDE_MULTIPLE, Precision

Array = Any
"""A NumPy array on a CPU; on a GPU anything with ``__cuda_array_interface__`` or ``__dlpack__``."""


def packages_of(version: str) -> dict[str, str]:
    """The packages that a backend's version names: name -> version, the backend's own first.

    >>> packages_of("torch 2.11.0, fused 1 by triton 3.6.0")
    {'torch': '2.11.0', 'fused': '1 by triton 3.6.0'}
    """
    parts = (part.strip().partition(" ") for part in version.split(","))
    return {name: its_version for name, _, its_version in parts}


class Engine(Protocol):
    """Runs one compiled generator: a batch of images in, a batch out.

    It reads no files, adds no noise and knows no stain.

    Attributes:
        height, width: The static size of its images, in pixels.
        batch: The most images of one call.
        device: ``cpu`` or ``cuda``: where its arrays live.
    """

    height: int
    width: int
    batch: int
    device: str

    def __call__(self, x_nchw: Array, out_nchw: Array, *, stream: int = 0) -> None:
        """Translate a batch into ``out_nchw``.

        A sample's result depends neither on N nor on its neighbours: a short batch is padded inside.

        Args:
            x_nchw: float32 (N, 3, height, width), C-contiguous, nominally in [-1, 1], 1 <= N <= ``batch``;
                never clamped.
            out_nchw: Filled; same shape and type, owned by the caller, on the engine's device.
            stream: CUDA stream to enqueue on, as an integer; ignored on a CPU.

        Raises:
            BatchTooLarge: N exceeds ``batch``.
            EngineError: Shapes or types that do not fit, or a failure of the runtime.
        """
        ...

    def close(self) -> None:
        """Release what it holds; it cannot be called afterwards."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What an engine is made from, but for the weights.

    Attributes:
        precision: Precision of the arithmetic inside; input and output are always float32.
        height, width: Static, multiples of 4, at least 16.
        batch: Static batch the engine is compiled for.
        int8: With the precision ``int8``: which convolutions run in it, and their ranges. The others run in the
            machine's 16-bit type, or in float32 where it has none.
    """

    precision: Precision
    height: int
    width: int
    batch: int = 1
    int8: Int8Form | None = None

    def __post_init__(self) -> None:
        for side in (self.height, self.width):
            if side < MIN_SIDE or side % SIDE_MULTIPLE:
                raise SpecError(f"an engine's side is a multiple of {SIDE_MULTIPLE}, at least {MIN_SIDE}, got {side}")
        if self.batch < 1:
            raise SpecError(f"batch must be at least 1, got {self.batch}")
        if (self.precision == "int8") != (self.int8 is not None):
            raise SpecError(f"int8 engines, and no others, have an int8 form; the precision is {self.precision}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an engine in the store was made from; its id is a digest of this.

    Attributes:
        weights_digest: blake2b of the stored ONNX file.
        backend: ``openvino``, ``tensorrt`` or ``torch``.
        backend_version: Package and version, as ``openvino 2026.4.1``.
        device_class: The machine it was made for, as the backend names it.
        spec: Precision and static shape.
        plan_digest: Digest of the compiled bytes where a rebuild has other bits (TensorRT), else empty.
    """

    weights_digest: str
    backend: str
    backend_version: str
    device_class: str
    spec: EngineSpec
    plan_digest: str = ""


class Backend(Protocol):
    """Compiles and loads engines; one a package. It is cheap to make and imports its package only when used.

    Attributes:
        name: ``openvino``, ``tensorrt`` or ``torch``.
    """

    name: str

    def why_unavailable(self) -> str:
        """Empty if engines can be built and run here, else the reason in a sentence with the next step."""
        ...

    def version(self) -> str:
        """Package and version."""
        ...

    def device_class(self) -> str:
        """The kind of machine: engines of one class run on every machine of it with equal bits."""
        ...

    def precisions(self) -> tuple[Precision, ...]:
        """What runs natively here without ranges, fastest first; ``float32`` is always in it, ``int8`` never."""
        ...

    def why_no_int8(self) -> str:
        """Empty if it makes int8 engines on this machine, else the reason in a sentence."""
        ...

    def static_batch(self, height: int, width: int) -> int:
        """The batch that engines of this size are compiled for."""
        ...

    def build(self, onnx_file: Path, spec: EngineSpec, folder: Path) -> str:
        """Compile the stored ONNX form into ``folder`` (which exists) and return the plan's digest, or "".

        Raises:
            EngineError: The compiler refused it.
        """
        ...

    def load(self, folder: Path, manifest: Manifest, *, threads: int) -> Engine:
        """Load what `build` left. ``threads``: CPU threads the engine may use; ignored on a GPU.

        Raises:
            BackendUnavailable: The package or the device is missing.
            EngineError: The files cannot be loaded.
        """
        ...


def check_batch(n: int, batch: int) -> None:
    """Raise `BatchTooLarge` if ``n`` images do not fit an engine's batch."""
    if not 1 <= n <= batch:
        raise BatchTooLarge(f"{n} images in a call, the engine takes 1 ... {batch}")


def check_shapes(x: tuple[int, ...], out: tuple[int, ...], engine: Engine) -> None:
    """Raise `EngineError` unless both are a batch that an engine takes, float32 (n, 3, height, width)."""
    if x != out or len(x) != 4 or x[1:] != (3, engine.height, engine.width):
        raise EngineError(f"the engine takes and gives (N, 3, {engine.height}, {engine.width}), got {x} and {out}")
    check_batch(x[0], engine.batch)
