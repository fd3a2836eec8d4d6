"""Triton kernels between the convolutions: moments of a plane, then norm, ReLU, sum and padding in one pass.

Images are float16 (N, H, W, C), dense. Every program of a kernel sees one image, so that its bits do not depend on
the other images. Sums are taken in a fixed order. A NaN stays one up to the output, where the chain looks for it: on a
GPU a plain maximum would replace it by a number. With ``TRITON_INTERPRET=1`` the same code runs on a CPU. Not yet run
on a GPU.
"""

from __future__ import annotations

import triton
import triton.language as tl

_ROWS = tl.constexpr(64)
"""Pixels that `sum_plane` loads at a time."""

# Plain parameters have no type: Triton reads annotations as code, and only its compiler notices, not its interpreter.


@triton.jit
def sum_plane(x_nhwc, sums, pixels, parts, C: tl.constexpr, BLOCK_C: tl.constexpr, PIXELS: tl.constexpr):
    """Sums and sums of squares over a part of an image, by channel, after the image's first pixel is subtracted.

    It is subtracted because a variance from sums of squares loses its digits where the mean is large beside it (Chan,
    Golub, LeVeque, "Algorithms for computing the sample variance", 1983).

    Args:
        x_nhwc: float16 (N, pixels, C).
        sums: float32 (N, parts, 2, C), out.
        pixels: Pixels of an image.
        parts: Partial sums of an image.
        C, BLOCK_C, PIXELS: Channels in all and of a program; pixels of a part, a multiple of 64.
    """
    part, image = tl.program_id(0), tl.program_id(2)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    # 64 bits, because a batch may have more values than 32 bits count; `why_not_fused` bounds an image.
    first = x_nhwc + image.to(tl.int64) * pixels * C
    pivot = tl.load(first + c).to(tl.float32)
    total = tl.zeros((_ROWS, BLOCK_C), tl.float32)
    squares = tl.zeros((_ROWS, BLOCK_C), tl.float32)
    for step in tl.range(0, PIXELS // _ROWS):
        p = part * PIXELS + step * _ROWS + tl.arange(0, _ROWS)
        inside = (p < pixels)[:, None]
        x = tl.load(first + p[:, None] * C + c[None, :], mask=inside, other=0.0).to(tl.float32)
        # Masked again: what is loaded as 0 beyond the last pixel would count as -pivot.
        d = tl.where(inside, x - pivot[None, :], 0.0)
        total += d
        squares += d * d
    out = sums + (image * parts + part) * 2 * C + c
    tl.store(out, tl.sum(total, 0))
    tl.store(out + C, tl.sum(squares, 0))


@triton.jit
def finish_moments(
    x_nhwc,
    sums,
    moments,
    pixels,
    parts,
    epsilon,
    C: tl.constexpr,
    BLOCK_C: tl.constexpr,
    MAX_PARTS: tl.constexpr,
):
    """Mean and 1 / sqrt(variance + epsilon) of each channel of an image, from its partial sums.

    Args:
        x_nhwc: The input of `sum_plane`.
        sums: The result of `sum_plane`.
        moments: float32 (N, 2, C), out.
        pixels, parts: Pixels and partial sums of an image, as in `sum_plane`.
        epsilon: The norm's epsilon.
        C, BLOCK_C, MAX_PARTS: Channels in all and of a program; a power of two not below ``parts``.
    """
    image = tl.program_id(1)
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    part = tl.arange(0, MAX_PARTS)[:, None]
    place = sums + (image * parts + part) * 2 * C + c[None, :]
    shift = tl.sum(tl.load(place, mask=part < parts, other=0.0), 0) / pixels
    square = tl.sum(tl.load(place + C, mask=part < parts, other=0.0), 0) / pixels
    pivot = tl.load(x_nhwc + image.to(tl.int64) * pixels * C + c).to(tl.float32)
    # Rounding may take the variance of a flat channel below 0, where the root below may not exist.
    variance = tl.maximum(square - shift * shift, 0.0, propagate_nan=tl.PropagateNan.ALL)
    out = moments + image * 2 * C + c
    tl.store(out, pivot + shift)
    tl.store(out + C, 1.0 / tl.sqrt(variance + epsilon))


@triton.jit
def reflect(i, n):
    """Reflect an index that lies less than n outside [0, n) back into it, without repeating the border."""
    i = tl.where(i < 0, -i, i)
    return tl.where(i >= n, 2 * (n - 1) - i, i)


@triton.jit
def normalise(
    x_nhwc,
    moments,
    scale,
    offset,
    shortcut,
    out_nhwc,
    height,
    width,
    C: tl.constexpr,
    PIXELS: tl.constexpr,
    PAD: tl.constexpr,
    SHORTCUT_PAD: tl.constexpr,
    RELU: tl.constexpr,
):
    """Normalise, add the shortcut, apply ReLU, and write the result with a reflected margin.

    Args:
        x_nhwc: float16 (N, height, width, C).
        moments: The result of `finish_moments`.
        scale, offset: float32 (C,) of an affine norm, or None.
        shortcut: float16 (N, height + 2 SHORTCUT_PAD, width + 2 SHORTCUT_PAD, C), whose margin is skipped; or None.
        out_nhwc: float16 (N, height + 2 PAD, width + 2 PAD, C), out.
        height, width: Size of the image in pixels.
        C, PIXELS: Channels; pixels of a program.
        PAD, SHORTCUT_PAD: Margins in px, smaller than both sides.
        RELU: Whether negative numbers become 0.
    """
    image = tl.program_id(1).to(tl.int64)
    wide = width + 2 * PAD
    area = (height + 2 * PAD) * wide
    p = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    c = tl.arange(0, C)
    inside = (p < area)[:, None]
    # A pixel of the margin is computed again from its source, so that no program waits for another.
    y, x = reflect(p // wide - PAD, height), reflect(p % wide - PAD, width)
    source = x_nhwc + image * height * width * C + (y * width + x)[:, None] * C + c[None, :]
    value = tl.load(source, mask=inside, other=0.0).to(tl.float32)
    at = moments + image * 2 * C + c
    value = (value - tl.load(at)[None, :]) * tl.load(at + C)[None, :]
    if scale is not None:
        value = value * tl.load(scale + c)[None, :] + tl.load(offset + c)[None, :]
    if shortcut is not None:
        row = width + 2 * SHORTCUT_PAD
        begin = shortcut + image * (height + 2 * SHORTCUT_PAD) * row * C
        place = begin + ((y + SHORTCUT_PAD) * row + x + SHORTCUT_PAD)[:, None] * C + c[None, :]
        value += tl.load(place, mask=inside, other=0.0).to(tl.float32)
    if RELU:
        value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
    out = out_nhwc + image * area * C + p[:, None] * C + c[None, :]
    tl.store(out, value.to(tl.float16), mask=inside)


@triton.jit
def gather_taps(x_nchw, out_nhwc, height, width, TAPS: tl.constexpr, C: tl.constexpr, PIXELS: tl.constexpr):
    """Write an image whose channels are the horizontal taps of a convolution over RGB, with a reflected margin.

    The first convolution, TAPS x TAPS over 3 channels, becomes one of TAPS x 1 over 3 TAPS channels: so many fill the
    units that multiply matrices.

    Args:
        x_nchw: float32 (N, 3, height, width).
        out_nhwc: float16 (N, height + TAPS - 1, width, C), out: channel 3 tap + colour, then zeros.
        height, width: Size of the image in pixels; both above TAPS // 2.
        TAPS, C, PIXELS: Side of the convolution, odd; channels, 3 TAPS or more; pixels of a program.
    """
    image = tl.program_id(1).to(tl.int64)
    p = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    c = tl.arange(0, C)[None, :]
    area = (height + TAPS - 1) * width
    y = reflect(p // width - TAPS // 2, height)[:, None]
    x = reflect((p % width)[:, None] + c // 3 - TAPS // 2, width)
    inside = (p < area)[:, None]
    source = x_nchw + image * 3 * height * width + (c % 3) * height * width + y * width + x
    value = tl.load(source, mask=inside & (c < 3 * TAPS), other=0.0)
    tl.store(out_nhwc + image * area * C + p[:, None] * C + c, value.to(tl.float16), mask=inside)


@triton.jit
def sum_taps(y_nhwc, bias, out_nchw, height, width, TAPS: tl.constexpr, C: tl.constexpr, PIXELS: tl.constexpr):
    """Finish the last convolution from its rows: sum over the vertical taps, add the bias, take tanh in float32.

    Args:
        y_nhwc: float16 (N, height + TAPS - 1, width, C): channel 3 tap + colour is that tap's row of the convolution.
        bias: float32 (3,).
        out_nchw: float32 (N, 3, height, width), out.
        height, width: Size of the image in pixels.
        TAPS, C, PIXELS: Vertical taps; channels, 3 TAPS or more; pixels of a program.
    """
    image = tl.program_id(1).to(tl.int64)
    p = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    area = height * width
    inside = p < area
    first = y_nhwc + image * (height + TAPS - 1) * width * C
    for colour in tl.static_range(3):
        total = tl.zeros((PIXELS,), tl.float32) + tl.load(bias + colour)
        for tap in tl.static_range(TAPS):
            total += tl.load(first + (p + tap * width) * C + 3 * tap + colour, mask=inside, other=0.0).to(tl.float32)
        # tanh as a quotient of exponentials; beyond 15 it is 1 in float32.
        total = tl.maximum(total, -15.0, propagate_nan=tl.PropagateNan.ALL)
        power = tl.exp(2.0 * tl.minimum(total, 15.0, propagate_nan=tl.PropagateNan.ALL))
        tl.store(out_nchw + (image * 3 + colour) * area + p, 1.0 - 2.0 / (power + 1.0), mask=inside)
