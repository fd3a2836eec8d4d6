"""Mean and standard deviation of pixels, from the exact sums that reports hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

Values = tuple[float, float, float]
"""One number each for R, G and B."""


def mean_and_deviation(pixels: int, total: Sequence[int], squares: Sequence[int]) -> tuple[Values, Values]:
    """Mean and standard deviation of R, G and B in [0, 1], by the exact sums of their 8-bit values.

    Args:
        pixels: How many pixels, at least 1.
        total, squares: Per channel, the sum of the values and of their squares.
    """
    means = [each / pixels / 255 for each in total]
    variances = [each / pixels / 255**2 - mean**2 for each, mean in zip(squares, means, strict=True)]
    (r, g, b), (rr, gg, bb) = means, [math.sqrt(max(variance, 0)) for variance in variances]
    return (r, g, b), (rr, gg, bb)
