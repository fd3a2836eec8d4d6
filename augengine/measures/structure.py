"""Whether the tissue under the markers is still there: the counterstain's structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import concentrations
from augengine.stains import Stain

# Below this span of concentrations there is only the camera's noise, and SSIM would compare that.
_MIN_SPAN = 0.02
_PERCENTILES = (0.5, 99.5)

MIN_SIDE = 11
"""Least side of a tile, in pixels: that of SSIM's window."""

Amount = NDArray[np.float64]
"""Concentration of one stain, float64 (H, W)."""


def structure(real: Sequence[RgbImage], made: Sequence[RgbImage], stain: Stain) -> float:
    """Mean structural similarity (SSIM) of the counterstain's concentration between tiles and what was made of them.

    Gaussian windows of 1.5 px, as Wang et al. 2004; the range is what the counterstain spans in the real tiles,
    without its outliers.

    Args:
        real, made: uint8 (H, W, 3), H and W at least `MIN_SIDE`, one to one.
        stain: Its vectors: the counterstain is told from the chromogen by them.

    Returns:
        In [-1, 1]; 1 where nothing of the counterstain changed.
    """
    return float(np.mean(structure_of_each(real, made, stain)))


def structure_of_each(real: Sequence[RgbImage], made: Sequence[RgbImage], stain: Stain) -> list[float]:
    """The structural similarity of each tile, all over one range; see `structure`."""
    amounts = [_counterstain(image, stain) for image in real]
    span = _span(amounts)
    return [_ssim(amount, _counterstain(image, stain), span) for amount, image in zip(amounts, made, strict=True)]


def counterstain_ssim(real: RgbImage, made: Sequence[RgbImage], stain: Stain) -> list[float]:
    """The structural similarity of several pictures with the one tile that they were made of; see `structure`.

    The range is what the counterstain spans in this tile, so that no other tile has a say.

    Args:
        real: uint8 (H, W, 3), H and W at least `MIN_SIDE`.
        made: Of the same shape.
        stain: Its vectors.
    """
    amount = _counterstain(real, stain)
    span = _span([amount])
    return [_ssim(amount, _counterstain(image, stain), span) for image in made]


def _span(amounts: Sequence[Amount]) -> float:
    low, high = np.percentile(np.concatenate([amount.ravel() for amount in amounts]), _PERCENTILES)
    return max(float(high - low), _MIN_SPAN)


def _ssim(real: Amount, made: Amount, span: float) -> float:
    from skimage.metrics import structural_similarity  # 0.3 s, and only this needs it

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            real, made, data_range=span, gaussian_weights=True, use_sample_covariance=False
        )
    )


def _counterstain(rgb_hwc: RgbImage, stain: Stain) -> Amount:
    return concentrations(rgb_hwc, stain)[..., 0]
