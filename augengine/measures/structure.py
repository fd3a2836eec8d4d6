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


def structure(real: Sequence[RgbImage], made: Sequence[RgbImage], stain: Stain) -> float:
    """Mean structural similarity (SSIM) of the counterstain's concentration between tiles and what was made of them.

    Gaussian windows of 1.5 px, as Wang et al. 2004; the range is what the counterstain spans in the real tiles,
    without its outliers.

    Args:
        real, made: uint8 (H, W, 3), H and W at least 11, one to one.
        stain: Its vectors: the counterstain is told from the chromogen by them.

    Returns:
        In [-1, 1]; 1 where nothing of the counterstain changed.
    """
    return float(np.mean(structure_of_each(real, made, stain)))


def structure_of_each(real: Sequence[RgbImage], made: Sequence[RgbImage], stain: Stain) -> list[float]:
    """The structural similarity of each tile, all over one range; see `structure`."""
    from skimage.metrics import structural_similarity  # 0.3 s, and only this needs it

    amounts = [_counterstain(image, stain) for image in real]
    low, high = np.percentile(np.concatenate([amount.ravel() for amount in amounts]), _PERCENTILES)
    span = max(float(high - low), _MIN_SPAN)
    return [
        float(
            structural_similarity(  # type: ignore[no-untyped-call]
                amount, _counterstain(image, stain), data_range=span, gaussian_weights=True, use_sample_covariance=False
            )
        )
        for amount, image in zip(amounts, made, strict=True)
    ]


def _counterstain(rgb_hwc: RgbImage, stain: Stain) -> NDArray[np.float64]:
    return concentrations(rgb_hwc, stain)[..., 0]
