"""The GPU branch of the chain: G_BA, the noise kernel and G_AB on one CUDA stream.

Not yet run on a GPU. What could be checked without one is: the kernel's arithmetic, by compiling `NOISE_CORE` as C
and comparing it with `augengine.draws.noise`, and the kernel's syntax, by nvcc.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.chain.base import Translators
from augengine.chain.translate import Finite, run_engine
from augengine.draws.noise import FloatImage
from augengine.engines.driver import ForeignStream
from augengine.engines.gpu_memory import INSTALL, load_cupy
from augengine.errors import ChainError

NOISE_CORE = r"""
typedef unsigned int u32;
typedef unsigned long long u64;

__device__ static void philox_round(u32 c[4], u32 k0, u32 k1) {
    u64 p0 = (u64)0xD2511F53u * c[0], p1 = (u64)0xCD9E8D57u * c[2];
    u32 c1 = c[1], c3 = c[3];
    c[0] = (u32)(p1 >> 32) ^ c1 ^ k0;
    c[1] = (u32)p1;
    c[2] = (u32)(p0 >> 32) ^ c3 ^ k1;
    c[3] = (u32)p0;
}

/* Uniforms in (0, 1] from the top 24 bits. */
__device__ static double uniform(u32 word) {
    return ((double)(word >> 8) + 1.0) * 5.9604644775390625e-08;
}

/* Three standard normals of a pixel: Box-Muller in double, rounded once. */
__device__ static void normals(u32 x, u32 y, u32 variant, u32 k0, u32 k1, float out[3]) {
    const double two_pi = 6.283185307179586;
    u32 c[4] = {x, y, variant, 0u};
    for (int round = 0; round < 10; ++round) {
        philox_round(c, k0, k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    double radius_01 = sqrt(-2.0 * log(uniform(c[0]))), radius_2 = sqrt(-2.0 * log(uniform(c[2])));
    double angle_01 = two_pi * uniform(c[1]), angle_2 = two_pi * uniform(c[3]);
    out[0] = (float)(radius_01 * cos(angle_01));
    out[1] = (float)(radius_01 * sin(angle_01));
    out[2] = (float)(radius_2 * cos(angle_2));
}

/* One pixel of one variant: i counts (sample, variant, y, x), the last fastest.
   a (N, 3, height, width) -> out (N, variants, 3, height, width); key_words (N, 2); sigmas (N, variants). */
__device__ static void noisy_pixel(u64 i, const float* a, float* out, const u32* key_words, const float* sigmas,
                                   u32 variants, u32 height, u32 width) {
    u64 plane = (u64)height * width, pixel = i % plane, row = i / plane;
    u64 sample = row / variants, variant = row % variants;
    float unit[3];
    normals((u32)(pixel % width), (u32)(pixel / width), (u32)variant + 1u,
            key_words[2 * sample], key_words[2 * sample + 1], unit);
    for (int channel = 0; channel < 3; ++channel)
        out[(3 * row + channel) * plane + pixel] =
            a[(3 * sample + channel) * plane + pixel] + sigmas[row] * unit[channel];
}
"""
"""The arithmetic as plain C but for ``__device__``, so that a C compiler can check it."""

NOISE_KERNEL = (
    NOISE_CORE
    + r"""
extern "C" __global__ void add_noise(u64 total, const float* a, float* out, const u32* key_words, const float* sigmas,
                                     u32 variants, u32 height, u32 width) {
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < total) noisy_pixel(i, a, out, key_words, sigmas, variants, height, width);
}
"""
)

_THREADS = 256
_CUDA_DEVICE = 2  # DLPack's number for CUDA memory


class CudaTranslation:
    """G_BA, noise and G_AB enqueued on one stream, without waiting for the host.

    Args:
        translators: Two engines on the GPU.
        variants: K.
        batch: The most samples of a call.
        buffers: Outputs kept apart: a caller's copy of one is still under way when the next is filled.
        device_id: The GPU's ordinal.

    Raises:
        BackendUnavailable: CuPy is missing.
        ChainError: The GPU does not answer, the buffers do not fit, or the kernel does not compile.
    """

    def __init__(self, translators: Translators, *, variants: int, batch: int, buffers: int, device_id: int) -> None:
        self._cp = load_cupy()
        self._translators, self._variants, self._device_id = translators, variants, device_id
        # No fused multiply-add: the sum a + sigma * n is rounded as on a CPU.
        self._kernel = self._cp.RawKernel(NOISE_KERNEL, "add_noise", options=("--fmad=false",))
        self._next = 0
        try:
            with self._cp.cuda.Device(device_id):
                compile_kernel(self._kernel)
                self._allocate(batch, buffers)
        except MemoryError as error:
            hint = "fewer variants or smaller images need less"
            raise ChainError(f"no room on the GPU for the variants of {batch} samples: {error}", hint=hint) from error
        except RuntimeError as error:
            raise ChainError(f"the GPU chain cannot be set up: {error}", hint="does nvidia-smi show it?") from error

    def _allocate(self, batch: int, buffers: int) -> None:
        image = (3, self._translators.height, self._translators.width)
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
        flat = (n * self._variants, *image)
        run_engine(self._translators.from_reference, noisy.reshape(flat), y_nkchw.reshape(flat), stream=stream)
        finite[:, 0] = self._finite(a_nchw) & self._finite(y_nkchw)
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
        sizes = tuple(np.uint32(size) for size in (self._variants, height, width))
        arguments = (np.uint64(total), a_nchw, out_nkchw, key_words, sigmas, *sizes)
        self._kernel((-(-total // _THREADS),), (_THREADS,), arguments)

    def _finite(self, x: Any) -> Any:
        return self._cp.isfinite(x).all(axis=tuple(range(1, x.ndim)))

    def _dense(self, capsules: list[Any]) -> Any:
        """One array over a batch's samples: without a copy where DALI laid them out one after the other."""
        rows = [self._cp.from_dlpack(_Held(capsule, self._device_id)) for capsule in capsules]
        first = rows[0]
        dense = all(
            row.flags.c_contiguous and row.shape == first.shape and row.data.ptr == first.data.ptr + i * first.nbytes
            for i, row in enumerate(rows)
        )
        if not dense:
            return self._cp.stack(rows)
        memory = self._cp.cuda.UnownedMemory(first.data.ptr, len(rows) * first.nbytes, rows, self._device_id)
        return self._cp.ndarray((len(rows), *first.shape), first.dtype, self._cp.cuda.MemoryPointer(memory, 0))


def compile_kernel(kernel: Any) -> None:
    """Compile a `cupy.RawKernel` for the current device.

    Raises:
        ChainError: NVRTC is missing, does not fit the driver, or refuses the source.
    """
    try:
        kernel.compile()
    except Exception as error:  # CuPy's CompileException derives from nothing narrower
        hint = f"the compiler NVRTC and its headers come with the extras: {INSTALL}"
        raise ChainError(f"the noise kernel cannot be compiled: {error}", hint=hint) from error


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
    x_nchw: FloatImage,
    key_words: Sequence[NDArray[np.uint32]],
    sigmas: Sequence[NDArray[np.float32]],
) -> tuple[FloatImage, Finite]:
    """`augengine.chain.translate.translate` for engines on the GPU: there and back around each batch."""
    cp = load_cupy()
    n, variants = len(x_nchw), len(sigmas[0])
    device_id = int(cp.cuda.runtime.getDevice())
    translation = CudaTranslation(translators, variants=variants, batch=n, buffers=1, device_id=device_id)
    with cp.cuda.Stream(non_blocking=True) as stream:
        arrays = (cp.asarray(part) for part in (x_nchw, np.stack(key_words), np.stack(sigmas)))
        y_nkchw, finite = translation(*arrays, stream=stream.ptr)
        y_host: FloatImage = cp.asnumpy(y_nkchw)
        return y_host, cp.asnumpy(finite)[:, 0].astype(np.bool_)
