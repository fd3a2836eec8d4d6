"""The colours of one laboratory's pictures matched to another's: Reinhard's method, on the tissue alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from skimage.color import lab2rgb, rgb2lab
from skimage.filters import gaussian

from augengine.errors import SourceError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import tissue_mask

Vector = NDArray[np.float64]

_EDGE = 2.0
"""Width of the border between tissue and glass, in pixels; a hard border would leave a visible seam."""

_MIN_TISSUE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """The colours of a picture, in CIE Lab.

    Attributes:
        tissue, spread: Mean and standard deviation of the tissue's pixels, (3,).
        glass: Mean of the other pixels, (3,); the brightest tissue where there are none.
    """

    tissue: Vector
    spread: Vector
    glass: Vector

    @classmethod
    def of(cls, image: RgbImage) -> Self:
        """The look of one picture.

        Args:
            image: uint8 (H, W, 3).

        Raises:
            SourceError: Less than 1 % of it is tissue.
        """
        lab, tissue = rgb2lab(image), tissue_mask(image)
        if tissue.mean() < _MIN_TISSUE:
            raise SourceError("the picture shows no tissue, so its colours cannot be matched", hint="leave it out")
        glass = lab[~tissue] if not tissue.all() else lab[lab[..., 0] >= np.percentile(lab[..., 0], 99)]
        return cls(tissue=lab[tissue].mean(axis=0), spread=lab[tissue].std(axis=0), glass=glass.mean(axis=0))


def match_look(image: RgbImage, target: Look) -> RgbImage:
    """A picture in the colours of another.

    Tissue gets the target's mean and standard deviation in each channel of CIE Lab (Reinhard et al. 2001, Color
    transfer between images); glass is shifted to the target's glass.

    Args:
        image: uint8 (H, W, 3).
        target: Whose colours it takes.

    Returns:
        uint8 (H, W, 3).

    Raises:
        SourceError: It shows no tissue.
    """
    own, lab = Look.of(image), rgb2lab(image)
    tissue = (lab - own.tissue) / np.maximum(own.spread, 1e-6) * target.spread + target.tissue
    glass = lab - own.glass + target.glass
    share = gaussian(tissue_mask(image).astype(np.float64), sigma=_EDGE)[..., None]  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Color data out of range")  # a few dark pixels: lab2rgb clips them
        matched = lab2rgb(share * tissue + (1 - share) * glass)
    rounded: RgbImage = np.rint(np.clip(matched, 0, 1) * 255).astype(np.uint8)
    return rounded
