"""What a sample becomes in a shard, and what the shard's report counts of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from augengine.pictures.pixels import channel_sums
from augengine.shards.write import Members


@dataclass(frozen=True, slots=True)
class Statistics:
    """Sums over the images and masks of some samples; exact integers, so that they add up in any order.

    Attributes:
        pixels: Pixels of the images.
        channel_sum, channel_sum_sq: Sums of the 8-bit values and of their squares, per channel R, G, B.
        class_pixels: Class id -> pixels of the masks.
        annotated: Samples whose mask shows a class other than 0.
    """

    pixels: int = 0
    channel_sum: tuple[int, int, int] = (0, 0, 0)
    channel_sum_sq: tuple[int, int, int] = (0, 0, 0)
    class_pixels: Mapping[int, int] = field(default_factory=dict)
    annotated: int = 0

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.pixels + other.pixels,
            _add3(self.channel_sum, other.channel_sum),
            _add3(self.channel_sum_sq, other.channel_sum_sq),
            dict(Counter(self.class_pixels) + Counter(other.class_pixels)),
            self.annotated + other.annotated,
        )


def _add3(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A source sample ready to be written.

    Attributes:
        variants: Key and members of each of its variants, adjacent.
        statistics: Sums over them.
        left_out: Key of a variant that the gate left out -> its structural similarity.
        patient: Whose it is; empty if nobody says.
    """

    variants: tuple[tuple[str, Members], ...]
    statistics: Statistics
    left_out: Mapping[str, float] = field(default_factory=dict)
    patient: str = ""


def count_classes(mask: NDArray[np.uint8]) -> dict[int, int]:
    """Class id -> pixels of a mask, uint8 (H, W)."""
    counts = np.bincount(mask.ravel(), minlength=1)
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def count_pixels(pixels: NDArray[np.uint8], class_pixels: Mapping[int, int]) -> Statistics:
    """The sums over an image, uint8 (H, W, 3), beside those of its mask."""
    (r, g, b), (rr, gg, bb) = channel_sums(pixels)
    annotated = int(any(class_pixels))  # an id other than 0
    return Statistics(pixels.shape[0] * pixels.shape[1], (r, g, b), (rr, gg, bb), class_pixels, annotated)
