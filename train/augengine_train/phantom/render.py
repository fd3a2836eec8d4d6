"""From structures to a picture: amounts of each stain, Beer-Lambert, the optics' blur and the sensor's noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from augengine.pictures.arrays import RgbImage
from augengine_train.phantom.draws import keyed
from augengine_train.phantom.markers import Stained
from augengine_train.phantom.patients import Slide
from augengine_train.phantom.tissue import Structure, Tissue

REACH_SIGMAS = 4.0
"""The blur's kernel ends here: further off, no marker changes a pixel."""

Amounts = tuple[float, float]
"""Amounts of counterstain and of chromogen: natural optical density along vectors of unit length."""

# Fitted by eye and by the means and percentiles of the real fields after unmixing (`augengine train phantom-compare`).
AMOUNTS: Mapping[str, Mapping[Structure, Amounts]] = {
    "pas": {
        Structure.STROMA: (0.26, 0.26),
        Structure.CYTOPLASM: (0.44, 0.16),
        Structure.BASEMENT: (0.45, 0.85),
        Structure.BRUSH: (0.40, 0.42),
        Structure.MUSCLE: (0.38, 0.42),
        Structure.MESANGIUM: (0.42, 0.42),
        Structure.SCAR: (0.35, 0.85),
        Structure.NUCLEUS: (1.45, 0.20),
    },
    "cd68": {
        Structure.STROMA: (0.10, 0.05),
        Structure.CYTOPLASM: (0.13, 0.06),
        Structure.BASEMENT: (0.13, 0.05),
        Structure.BRUSH: (0.12, 0.07),
        Structure.MUSCLE: (0.15, 0.05),
        Structure.MESANGIUM: (0.15, 0.05),
        Structure.SCAR: (0.14, 0.07),
        Structure.NUCLEUS: (0.62, 0.06),
    },
    "cd34": {
        Structure.STROMA: (0.20, 0.02),
        Structure.CYTOPLASM: (0.50, 0.02),
        Structure.BASEMENT: (0.32, 0.02),
        Structure.BRUSH: (0.42, 0.02),
        Structure.MUSCLE: (0.34, 0.02),
        Structure.MESANGIUM: (0.34, 0.02),
        Structure.SCAR: (0.30, 0.02),
        Structure.NUCLEUS: (1.05, 0.02),
    },
}

CHROMOGEN = {"cd68": 1.25, "cd34": 2.2}
"""Amount of chromogen in a marker."""

_HIDDEN = 0.75  # of the structure that a marker covers
_IN_LUMEN = 0.25  # endothelium above and below the plane of focus, against that in it


def render(tissue: Tissue, stain: str, slide: Slide, markers: Stained | None, seed: int) -> RgbImage:
    """The picture of a field: uint8 (side, side, 3).

    Args:
        tissue: Its structures.
        stain: pas, cd68 or cd34.
        slide: Colours, optics and sensor.
        markers: What the chromogen stains; None for PAS, which shows no marker.
        seed: Random seed of the sensor's noise: the anatomy's, so that markers change no pixel but their own.
    """
    amounts = _weighted([AMOUNTS[stain][structure] for structure in Structure], tissue.cover)
    amounts[1] += np.float32(slide.haze) * tissue.haze * tissue.cover[Structure.CYTOPLASM]
    amounts *= np.array([slide.counterstain, slide.chromogen if markers is None else 1], np.float32)[:, None, None]
    if markers is not None:
        amounts *= 1 - np.maximum(np.float32(_HIDDEN) * markers.cover, markers.hollow)
        taken_up = markers.amount + np.float32(_IN_LUMEN) * markers.hollow
        amounts[1] += np.float32(CHROMOGEN[stain] * slide.chromogen) * taken_up
    return _expose(amounts, slide, tissue.frame.mpp, seed)


def _weighted(weights: Sequence[Sequence[float]], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M, side, side) sums of maps by M weights each; in order, since a matrix product's bits depend on its threads."""
    total = np.zeros((len(weights[0]), *maps.shape[1:]), dtype=np.float32)
    for own, each in zip(weights, maps, strict=True):
        for out, weight in zip(total, own, strict=True):
            out += np.float32(weight) * each
    return total


def _expose(amounts: NDArray[np.float32], slide: Slide, mpp: float, seed: int) -> RgbImage:
    density = _weighted(slide.vectors, amounts)
    light = np.exp(-density) * np.array(slide.white, dtype=np.float32)[:, None, None]
    for channel in light:
        gaussian_filter(channel, slide.blur_um / mpp, truncate=REACH_SIGMAS, output=channel, mode="nearest")
    noise = keyed(seed, "sensor").standard_normal(light.shape, dtype=np.float32)
    levels = np.rint(light + np.float32(slide.noise) * noise)
    return np.ascontiguousarray(np.clip(levels, 0, 255).astype(np.uint8).transpose(1, 2, 0))
