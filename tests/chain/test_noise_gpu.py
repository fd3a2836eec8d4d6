"""The noise kernel of the GPU branch: its arithmetic and syntax anywhere, its numbers where there is a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from augengine.chain._cuda import compile_kernels
from augengine.draws.noise import add_noise
from augengine.draws.noise_kernel import NOISE_CORE, NOISE_KERNEL
from augengine.draws.philox import derive_key
from augengine.errors import ChainError
from tests.support.cuda_source import for_this_processor, to_ptx
from tests.support.gpu import cupy_or_skip

FloatArray = NDArray[np.float32]
AddNoise = Callable[[FloatArray, NDArray[np.uint32], FloatArray], FloatArray]

HOST = """
void add_noise(u64 total, const float* a, float* out, const u32* key_words, const float* sigmas,
               u32 variants, u32 height, u32 width) {
    for (u64 i = 0; i < total; ++i) noisy_pixel(i, a, out, key_words, sigmas, variants, height, width);
}
"""


@pytest.fixture(scope="module")
def compiled_kernel(tmp_path_factory: pytest.TempPathFactory) -> AddNoise:
    """The kernel's arithmetic, compiled for this processor."""
    library = for_this_processor(NOISE_CORE + HOST, tmp_path_factory.mktemp("kernel"))

    def run(a_nchw: FloatArray, key_words: NDArray[np.uint32], sigmas: FloatArray) -> FloatArray:
        (n, _, height, width), variants = a_nchw.shape, sigmas.shape[1]
        out = np.empty((n, variants, 3, height, width), dtype=np.float32)
        arrays = (array.ctypes.data_as(ctypes.c_void_p) for array in (a_nchw, out, key_words, sigmas))
        sizes = (ctypes.c_uint32(size) for size in (variants, height, width))
        library.add_noise(ctypes.c_uint64(n * variants * height * width), *arrays, *sizes)
        return out

    return run


def _draws() -> tuple[FloatArray, NDArray[np.uint32], FloatArray, FloatArray]:
    """Two samples of three variants, and what `augengine.draws.noise` makes of them."""
    a_nchw = np.random.default_rng(0).normal(0, 0.5, (2, 3, 37, 53)).astype(np.float32)
    sigmas = np.array([[0.05, 1e-6, 1.0], [0.3, 2.0, 0.01]], dtype=np.float32)
    keys = [derive_key(5, key) for key in ("a", "b")]
    key_words = np.array([[key & 0xFFFFFFFF, key >> 32] for key in keys], dtype=np.uint32)
    expected = np.empty((2, 3, 3, 37, 53), dtype=np.float32)
    for n, key in enumerate(("a", "b")):
        for k in range(3):
            add_noise(a_nchw[n], expected[n, k], sigma=float(sigmas[n, k]), seed=5, key=key, variant=k + 1)
    return a_nchw, key_words, sigmas, expected


def _unit_error(got: FloatArray, expected: FloatArray, sigmas: FloatArray) -> FloatArray:
    return np.abs(got.astype(np.float64) - expected) / np.maximum(sigmas, 0.01)[:, :, None, None, None]  # type: ignore[return-value]


def test_the_kernels_arithmetic_gives_the_noise_of_the_cpu(compiled_kernel: AddNoise) -> None:
    a_nchw, key_words, sigmas, expected = _draws()
    error = _unit_error(compiled_kernel(a_nchw, key_words, sigmas), expected, sigmas)
    assert error.max() <= 1e-5
    # log, sin and cos of two libraries differ in their last bit, which rounding to float32 hides almost always
    assert (error == 0).mean() > 0.999


def test_the_kernel_is_cuda(tmp_path: Path) -> None:
    assert "add_noise" in to_ptx(NOISE_KERNEL, tmp_path)


class Refused(Exception):
    """Stands for CuPy's CompileException, which also derives from nothing narrower than Exception."""


class Kernel:
    """A kernel whose compilation ends as it is told."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def compile(self) -> None:
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize(
    "error", [RuntimeError("libnvrtc.so.13: cannot open shared object file"), Refused("noise.cu(3): error")]
)
def test_a_kernel_that_cannot_be_compiled_names_what_brings_the_compiler(error: Exception) -> None:
    with pytest.raises(ChainError, match="the noise kernel cannot be compiled: ") as caught:
        compile_kernels({"other": Kernel(None), "noise kernel": Kernel(error)})
    assert str(error) in str(caught.value)
    assert "augengine[rtx]" in caught.value.hint
    assert "batch" not in caught.value.hint


def test_a_kernel_that_can_be_compiled_is_left_alone() -> None:
    compile_kernels({"noise": Kernel(None)})


@pytest.mark.gpu
def test_the_kernel_on_a_gpu_gives_the_noise_of_the_cpu() -> None:
    cupy = cupy_or_skip()
    a_nchw, key_words, sigmas, expected = _draws()
    kernel = cupy.RawKernel(NOISE_KERNEL, "add_noise", options=("--fmad=false",))
    out = cupy.empty(expected.shape, cupy.float32)
    total = expected.size // 3
    sizes = tuple(np.uint32(size) for size in (3, *a_nchw.shape[2:]))
    arrays = (cupy.asarray(a_nchw), out, cupy.asarray(key_words), cupy.asarray(sigmas))
    kernel((-(-total // 256),), (256,), (np.uint64(total), *arrays, *sizes))
    assert _unit_error(cupy.asnumpy(out), expected, sigmas).max() <= 1e-5
