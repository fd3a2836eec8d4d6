"""Where a stain's markers are: a threshold on the chromogen's concentration, by colour deconvolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.errors import SpecError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import concentrations
from augengine.spec import check_threshold
from augengine.stains import Stain

MarkerMask = NDArray[np.bool_]

FLOOR = 0.02
"""Least threshold: below it lies what deconvolution leaves of a blank slide and of the camera's noise."""

# Pixels; bridges the grain of a marker without joining neighbours (a macrophage is about 20 px at 0.5 um/px).
_SMOOTHING = 1.0
_MAX_PICTURES = 32
_MAX_WINDOWS = 16
_WINDOW = 2048  # px


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerRule:
    """What counts as a marker.

    Attributes:
        stain: The stain and its vectors.
        threshold: Chromogen concentration from which on a pixel is marker, see `derive_threshold`.
    """

    stain: Stain
    threshold: float

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def mask(self, rgb_hwc: RgbImage) -> MarkerMask:
        """bool (H, W) of a uint8 picture."""
        return marker_mask(rgb_hwc, self.stain, self.threshold)


def chromogen(rgb_hwc: RgbImage, stain: Stain) -> NDArray[np.float64]:
    """The chromogen's concentration, smoothed a little; float64 (H, W) of a uint8 picture."""
    from skimage.filters import gaussian  # 0.3 s, and few commands look at markers

    smooth: NDArray[np.float64] = gaussian(concentrations(rgb_hwc, stain)[..., 1], _SMOOTHING)  # type: ignore[no-untyped-call]
    return smooth


def derive_threshold(images: Sequence[RgbImage], stain: Stain) -> float:
    """The concentration from which on a pixel counts as marker: Otsu's over all pictures together, at least `FLOOR`.

    Otsu's method takes the marker for one of two classes: a stain with a brown background needs a threshold of its
    own.

    Args:
        images: uint8 (H, W, 3) of the real stain; of more than 32, evenly spread ones are taken, and of those with a
            side above 2048 px evenly spread windows, so that a slide's worth of pixels fits into memory.
        stain: Its vectors.
    """
    from skimage.filters import threshold_otsu  # deferred as above

    if not images:
        raise SpecError("a marker threshold needs at least one picture")
    taken = range(0, len(images), -(-len(images) // _MAX_PICTURES))
    windows = (window for i in taken for window in _windows(images[i], max(1, _MAX_WINDOWS // len(taken))))
    amounts = np.concatenate([chromogen(window, stain).ravel() for window in windows])
    return max(FLOOR, float(threshold_otsu(amounts))) if amounts.min() < amounts.max() else FLOOR  # type: ignore[no-untyped-call]


def _windows(rgb_hwc: RgbImage, count: int) -> list[RgbImage]:
    """The whole picture if its sides are at most 2048 px, else up to ``count`` windows of such sides, evenly spread."""
    height, width = rgb_hwc.shape[:2]
    rows, columns = (-(-side // _WINDOW) for side in (height, width))
    down = min(rows, max(1, round(math.sqrt(count * rows / columns))))
    across = min(columns, max(1, count // down))
    return [
        rgb_hwc[top : top + _WINDOW, left : left + _WINDOW]
        for top in _starts(height, down)
        for left in _starts(width, across)
    ]


def _starts(length: int, count: int) -> list[int]:
    """Where windows begin whose middles are those of ``count`` equal parts."""
    last = max(0, length - _WINDOW)
    return [min(last, max(0, round((i + 0.5) * length / count - _WINDOW / 2))) for i in range(count)]


def marker_mask(rgb_hwc: RgbImage, stain: Stain, threshold: float) -> MarkerMask:
    """bool (H, W): where the chromogen's concentration exceeds ``threshold``."""
    return chromogen(rgb_hwc, stain) > threshold


def dice(first: Sequence[MarkerMask], second: Sequence[MarkerMask]) -> float | None:
    """Dice of two lists of masks, pixels summed over all of them; None where neither has a marker."""
    both = sum(int((a & b).sum()) for a, b in zip(first, second, strict=True))
    total = sum(int(a.sum()) + int(b.sum()) for a, b in zip(first, second, strict=True))
    return 2 * both / total if total else None


def share(masks: Sequence[MarkerMask]) -> float:
    """The share of all pixels that are marker."""
    return sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks)


def contrast(images: Sequence[RgbImage], masks: Sequence[MarkerMask]) -> float | None:
    """How far marked places stand out from the tissue around them, in grey levels.

    The difference between the mean colour inside the masks and that of a ring of 2 to 8 px around them, of the
    channel where it is largest.

    Args:
        images: uint8 (H, W, 3), real ones or translations.
        masks: bool (H, W) of the same places.

    Returns:
        None where no mask holds a marker.
    """
    from skimage.morphology import isotropic_dilation  # deferred as above

    inner, outer = (
        [isotropic_dilation(mask, radius) for mask in masks]  # type: ignore[no-untyped-call]
        for radius in (2, 8)
    )
    rings = [far & ~near for far, near in zip(outer, inner, strict=True)]
    inside, around = (
        np.concatenate([image[where] for image, where in zip(images, places, strict=True)]) for places in (masks, rings)
    )
    if not len(inside) or not len(around):
        return None
    return float(np.abs(inside.mean(axis=0) - around.mean(axis=0)).max())
