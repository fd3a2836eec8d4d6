"""Whether each sample's values are finite, as CUDA source: one read of the values, and a flag for each sample.

A reduction over each sample would have as many blocks as there are samples, which leaves most of a GPU idle. Not yet
run on a GPU.
"""

from __future__ import annotations

FINITE_CORE = r"""
typedef unsigned long long u64;

/* Clear the flag of the sample that value i belongs to, if that value is infinite or no number.
   x holds `values` floats of one sample after the other. Whoever clears a flag writes 0, in whatever order. */
__device__ static void look_at_value(u64 i, u64 values, const float* x, unsigned char* finite) {
    if (!isfinite(x[i])) finite[i / values] = 0;
}
"""
"""The arithmetic as plain C but for ``__device__``, so that a C compiler can check it."""

FINITE_KERNEL = (
    FINITE_CORE
    + r"""
extern "C" __global__ void clear_where_not_finite(u64 total, u64 values, const float* x, unsigned char* finite) {
    u64 step = (u64)gridDim.x * blockDim.x;
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < total; i += step)
        look_at_value(i, values, x, finite);
}
"""
)
