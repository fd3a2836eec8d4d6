"""The noise of `augengine.draws.noise` as CUDA source: the same Philox words, the same normals in float64.

A GPU's logarithm and cosine may differ from a CPU's in the last bit of a double; both are rounded to float32 once.
Not yet run on a GPU.
"""

from __future__ import annotations

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
