"""The kernel that looks for values that are not finite: its arithmetic and syntax anywhere, its launch on a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from augengine.chain._cuda import CudaTranslation
from augengine.chain._finite_kernel import FINITE_CORE, FINITE_KERNEL
from tests.support.cuda_source import for_this_processor, to_ptx
from tests.support.gpu import cupy_or_skip

Clear = Callable[[NDArray[np.float32], NDArray[np.uint8]], None]

HOST = """
void clear_where_not_finite(u64 total, u64 values, const float* x, unsigned char* finite) {
    for (u64 i = 0; i < total; ++i) look_at_value(i, values, x, finite);
}
"""
BAD = (np.nan, np.inf, -np.inf)
LARGEST = np.finfo(np.float32).max
SAMPLE = (2, 3, 37, 53)


@pytest.fixture(scope="module")
def clear(tmp_path_factory: pytest.TempPathFactory) -> Clear:
    """The kernel's arithmetic, compiled for this processor."""
    library = for_this_processor(FINITE_CORE + HOST, tmp_path_factory.mktemp("kernel"))

    def run(x: NDArray[np.float32], finite: NDArray[np.uint8]) -> None:
        arrays = (array.ctypes.data_as(ctypes.c_void_p) for array in (x, finite))
        library.clear_where_not_finite(ctypes.c_uint64(x.size), ctypes.c_uint64(x.size // len(x)), *arrays)

    return run


def _samples() -> tuple[NDArray[np.float32], list[int]]:
    """Five samples, and which of them are finite: the bad values lie at the ends of samples, and once in between."""
    x = np.random.default_rng(0).normal(0, 1, (5, *SAMPLE)).astype(np.float32)
    flat = x.reshape(5, -1)
    flat[0, 0], flat[1, -1], flat[3, 777] = BAD
    flat[2, 5], flat[4, 0], flat[4, -1] = LARGEST, -LARGEST, 0
    return x, [0, 0, 1, 0, 1]


def test_it_clears_the_flags_of_samples_with_a_bad_value_and_no_others(clear: Clear) -> None:
    x, expected = _samples()
    finite = np.ones((5, 1), np.uint8)
    clear(x, finite)
    assert finite[:, 0].tolist() == expected


def test_a_flag_that_was_cleared_before_stays_cleared(clear: Clear) -> None:
    finite = np.array([[0], [1]], np.uint8)
    clear(np.zeros((2, 3), np.float32), finite)
    assert finite[:, 0].tolist() == [0, 1]


def test_the_kernel_is_cuda(tmp_path: Path) -> None:
    assert "clear_where_not_finite" in to_ptx(FINITE_KERNEL, tmp_path)


@pytest.mark.parametrize("values", [1, 4096, 4097, 3 * 508 * 508])
def test_it_is_launched_with_threads_for_all_values_and_told_what_a_sample_holds(values: int) -> None:
    launched = list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]()
    own = SimpleNamespace(_clear=lambda grid, block, given: launched.append((grid, block, given[:2])))
    x = np.empty((2, values), np.float32)
    CudaTranslation.clear_where_not_finite(cast(CudaTranslation, own), x, np.ones((2, 1), np.uint8))
    (blocks,), (threads,), sizes = launched[0]
    assert sizes == (2 * values, values)
    assert blocks >= 1
    assert 16 * (blocks - 1) * threads < 2 * values <= 16 * blocks * threads


@pytest.mark.gpu
def test_the_kernel_on_a_gpu_clears_the_same_flags() -> None:
    cupy = cupy_or_skip()
    x, expected = _samples()
    finite = cupy.ones((5, 1), cupy.uint8)
    kernel = cupy.RawKernel(FINITE_KERNEL, "clear_where_not_finite")
    kernel((3,), (256,), (np.uint64(x.size), np.uint64(x.size // 5), cupy.asarray(x), finite))
    assert cupy.asnumpy(finite)[:, 0].tolist() == expected
