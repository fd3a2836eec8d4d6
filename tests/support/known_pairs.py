"""Pairs of generators whose behaviour is known, as plain functions of float32 (3, H, W) images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from augengine.draws.noise import FloatImage
from augengine.measures import Translate, to_rgb
from augengine.pictures.markers import MarkerRule
from augengine.stains import BUILT_IN

CD68 = BUILT_IN["cd68"]
RULE = MarkerRule(stain=CD68, threshold=0.03)
SCALE = 0.02

_BACKGROUND = np.array([0.8, 0.8, 0.8], dtype=np.float32)[:, None, None]
_BROWN = np.array([0.2, -0.3, -0.6], dtype=np.float32)[:, None, None]
_CODE, _REACH = 0.08, 2.0


@dataclass(frozen=True)
class KnownPair:
    """The generators of both directions."""

    to_reference: Translate
    from_reference: Translate


def copying() -> KnownPair:
    """Gives everything as it is: nothing is hidden."""
    return KnownPair(list, list)


def forgetting() -> KnownPair:
    """Copies there; white comes back, whatever it was."""
    return KnownPair(list, lambda images: [np.ones_like(image) for image in images])


def squeezing() -> KnownPair:
    """Keeps the whole picture in differences too small for the eye: a little noise drowns it all."""
    return KnownPair(
        lambda images: [np.float32(SCALE) * image for image in images],
        lambda images: [np.clip(image / np.float32(SCALE), -1, 1) for image in images],
    )


def diverged() -> KnownPair:
    """Gives no numbers."""
    return KnownPair(lambda images: [image * np.float32("nan") for image in images], list)


def hiding() -> KnownPair:
    """The paper's finding, drawn by hand: takes the markers out and leaves a faint checkerboard where they were.

    Back, tissue is smoothed, and brown is painted wherever the checkerboard is found: under noise elsewhere too.
    """
    return KnownPair(lambda images: [_hide(image) for image in images], lambda images: [_find(i) for i in images])


def _hide(image: FloatImage) -> FloatImage:
    marked = RULE.mask(to_rgb(image))
    code = np.float32(_CODE) * marked * _checkerboard(image)
    return np.asarray(np.where(marked, _BACKGROUND, image) + code, dtype=np.float32)


def _find(image: FloatImage) -> FloatImage:
    response = gaussian_filter((image * _checkerboard(image)).mean(axis=0), _REACH)
    tissue = np.stack([gaussian_filter(channel, 1.5) for channel in image])
    return np.asarray(np.where(response > _CODE / 2, _BROWN, tissue), dtype=np.float32)


def _checkerboard(image: FloatImage) -> NDArray[np.float32]:
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    return np.where((x + y) % 2, 1, -1).astype(np.float32)
