"""The GPU branch of the chain: G_BA, the noise kernel and G_AB on one CUDA stream.

Not yet run on a GPU. What could be checked without one is: the arithmetic of both kernels, by compiling it as C, and
their syntax, by nvcc. The noise is compared with `augengine.draws.noise`: see `augengine.draws.noise_kernel`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.chain._finite_kernel import FINITE_KERNEL
from augengine.chain.base import Translators
from augengine.chain.translate import Finite, run_engine
from augengine.draws.noise import FloatImage, GaussianNoise
from augengine.engines.driver import ForeignStream
from augengine.engines.gpu_memory import INSTALL, load_cupy
from augengine.errors import ChainError

_THREADS = 256
_VALUES_A_THREAD = 16
"""Values that a thread looks at for those that are not finite."""

_CUDA_DEVICE = 2  # DLPack's number for CUDA memory


class CudaTranslation:
    """G_BA, noise and G_AB enqueued on one stream, without waiting for the host.

    Args:
        translators: Two engines on the GPU.
        noise: The noise between them.
        variants: K.
        batch: The most samples of a call.
        buffers: How many outputs are kept apart: one may still be copied by the caller while the next is filled.
        device_id: The GPU's ordinal.

    Raises:
        BackendUnavailable: CuPy is missing.
        ChainError: The GPU does not answer, the buffers do not fit, or the kernel does not compile.
    """

    def __init__(
        self,
        translators: Translators,
        noise: GaussianNoise,
        *,
        variants: int,
        batch: int,
        buffers: int,
        device_id: int,
    ) -> None:
        self._cp = load_cupy()
        self._translators, self._variants, self._device_id = translators, variants, device_id
        # No fused multiply-add: the sum a + sigma * n is rounded as on a CPU.
        self._kernel = self._cp.RawKernel(noise.kernel, "add_noise", options=("--fmad=false",))
        self._clear = self._cp.RawKernel(FINITE_KERNEL, "clear_where_not_finite")
        self._next = 0
        try:
            with self._cp.cuda.Device(device_id):
                compile_kernels({"noise kernel": self._kernel, "kernel for finite values": self._clear})
                self._allocate(batch, buffers)
        except MemoryError as error:
            hint = "fewer variants or smaller images need less"
            raise ChainError(f"no room on the GPU for the variants of {batch} samples: {error}", hint=hint) from error
        except RuntimeError as error:
            raise ChainError(f"the GPU chain cannot be set up: {error}", hint="does nvidia-smi show it?") from error

    def _allocate(self, batch: int, buffers: int) -> None:
        image = (3, self._translators.height, self._translators.width)
        # One each is enough, unlike the outputs: the stream uses them in order, and nobody else reads them.
        self._a_nchw = self._cp.empty((batch, *image), self._cp.float32)
        variants = (batch, self._variants, *image)
        self._noisy_nkchw = self._cp.empty(variants, self._cp.float32)
        ring = range(buffers)
        self._ring = [(self._cp.empty(variants, self._cp.float32), self._cp.empty((batch, 1), "u1")) for _ in ring]

    def __call__(self, x_nchw: Any, key_words: Any, sigmas: Any, *, stream: int) -> tuple[Any, Any]:
        """Enqueue a batch on ``stream``, which is CuPy's current one.

        Args:
            x_nchw: Device float32 (N, 3, height, width), dense.
            key_words: Device uint32 (N, 2).
            sigmas: Device float32 (N, K).
            stream: A CUDA stream as an integer.

        Returns:
            Device float32 (N, K, 3, height, width) and uint8 (N, 1), 1 where a sample is finite; both are
            overwritten ``buffers`` calls later.
        """
        n, image = len(x_nchw), x_nchw.shape[1:]
        a_nchw, noisy = self._a_nchw[:n], self._noisy_nkchw[:n]
        y_nkchw, finite = self._turn(n)
        run_engine(self._translators.to_reference, x_nchw, a_nchw, stream=stream)
        self.add_noise(a_nchw, noisy, key_words, sigmas)
        # The first n rows of a dense array are dense, so this is another view of it and no copy.
        flat = (n * self._variants, *image)
        run_engine(self._translators.from_reference, noisy.reshape(flat), y_nkchw.reshape(flat), stream=stream)
        # Found out on the GPU: the host would have to wait for the stream to look for itself.
        finite.fill(1)
        for made in (a_nchw, y_nkchw):
            self.clear_where_not_finite(made, finite)
        return y_nkchw, finite

    def on_dali_stream(
        self, x_nchw: list[Any], key_words: list[Any], sigmas: list[Any], *, idle: bool
    ) -> tuple[list[Any], list[Any]]:
        """Run a batch on DALI's current stream; inputs and outputs are DLPack capsules, one per sample.

        Args:
            x_nchw, key_words, sigmas: One capsule a sample.
            idle: Give what is in the buffers instead of running the engines.
        """
        from nvidia.dali.python_function_plugin import current_dali_stream

        stream = current_dali_stream()
        with self._cp.cuda.Device(self._device_id), self._cp.cuda.Stream.from_external(ForeignStream(stream)):
            if idle:
                # What the buffers hold does not matter: nobody looks at the outputs of an idle run.
                outputs = self._turn(len(x_nchw))
            else:
                inputs = [self._dense(capsules) for capsules in (x_nchw, key_words, sigmas)]
                outputs = self(*inputs, stream=stream)
            y_nkchw, finite = ([_capsule(row) for row in output] for output in outputs)
        return y_nkchw, finite

    def _turn(self, n: int) -> tuple[Any, Any]:
        y_nkchw, finite = self._ring[self._next]
        self._next = (self._next + 1) % len(self._ring)
        return y_nkchw[:n], finite[:n]

    def add_noise(self, a_nchw: Any, out_nkchw: Any, key_words: Any, sigmas: Any) -> None:
        """Fill device float32 (N, K, 3, height, width) with A' and its noise, on CuPy's current stream."""
        height, width = a_nchw.shape[2:]
        total = len(a_nchw) * self._variants * height * width
        # Typed as the kernel declares them: CuPy hands scalars over as wide as their NumPy type is.
        sizes = tuple(np.uint32(size) for size in (self._variants, height, width))
        arguments = (np.uint64(total), a_nchw, out_nkchw, key_words, sigmas, *sizes)
        self._kernel((-(-total // _THREADS),), (_THREADS,), arguments)

    def clear_where_not_finite(self, x: Any, finite: Any) -> None:
        """Set a sample's flag to 0 where one of its values is not finite, on CuPy's current stream.

        Args:
            x: Device float32, dense, its first axis N samples.
            finite: Device uint8 (N, 1); other flags are left as they are.
        """
        blocks = -(-x.size // (_THREADS * _VALUES_A_THREAD))
        arguments = (np.uint64(x.size), np.uint64(x.size // len(x)), x, finite)
        self._clear((blocks,), (_THREADS,), arguments)

    def _dense(self, capsules: list[Any]) -> Any:
        """Return one array over a batch's samples, without a copy where DALI laid them out one after the other."""
        rows = [self._cp.from_dlpack(_Held(capsule, self._device_id)) for capsule in capsules]
        first = rows[0]
        dense = all(
            row.flags.c_contiguous and row.shape == first.shape and row.data.ptr == first.data.ptr + i * first.nbytes
            for i, row in enumerate(rows)
        )
        if not dense:
            return self._cp.stack(rows)
        # It owns `rows`, so that the samples' memory stays for as long as the array is used.
        memory = self._cp.cuda.UnownedMemory(first.data.ptr, len(rows) * first.nbytes, rows, self._device_id)
        return self._cp.ndarray((len(rows), *first.shape), first.dtype, self._cp.cuda.MemoryPointer(memory, 0))


def compile_kernels(kernels: Mapping[str, Any]) -> None:
    """Compile kernels for the current device.

    Args:
        kernels: A `cupy.RawKernel` under each name.

    Raises:
        ChainError: NVRTC is missing, does not fit the driver, or refuses the source.
    """
    for name, kernel in kernels.items():
        try:
            kernel.compile()
        except Exception as error:  # CuPy's CompileException derives from nothing narrower
            hint = f"the compiler NVRTC and its headers come with the extras: {INSTALL}"
            raise ChainError(f"the {name} cannot be compiled: {error}", hint=hint) from error


class _Held:
    """A bare DLPack capsule as an object with the protocol's two methods, which `from_dlpack` wants."""

    def __init__(self, capsule: Any, device_id: int) -> None:
        self._capsule, self._device = capsule, (_CUDA_DEVICE, device_id)

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


def _capsule(array: Any) -> Any:
    # -1: no synchronisation; DALI reads it on the stream that fills it.
    return array.__dlpack__(stream=-1)


def translate_from_host(
    translators: Translators,
    noise: GaussianNoise,
    x_nchw: FloatImage,
    key_words: Sequence[NDArray[np.uint32]],
    sigmas: Sequence[NDArray[np.float32]],
) -> tuple[FloatImage, Finite]:
    """`augengine.chain.translate.translate` for engines on the GPU: there and back around each batch."""
    cp = load_cupy()
    n, variants = len(x_nchw), len(sigmas[0])
    device_id = int(cp.cuda.runtime.getDevice())
    translation = CudaTranslation(translators, noise, variants=variants, batch=n, buffers=1, device_id=device_id)
    with cp.cuda.Stream(non_blocking=True) as stream:
        arrays = (cp.asarray(part) for part in (x_nchw, np.stack(key_words), np.stack(sigmas)))
        y_nkchw, finite = translation(*arrays, stream=stream.ptr)
        y_host: FloatImage = cp.asnumpy(y_nkchw)
        return y_host, cp.asnumpy(finite)[:, 0].astype(np.bool_)
