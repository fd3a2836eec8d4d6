"""Colour: what a picture holds of each stain, pictures drawn from that, and where there is tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import combine_stains, separate_stains

from augengine.pictures.arrays import RgbImage
from augengine.stains import Stain


def unmixing_matrix(stain: Stain) -> NDArray[np.float64]:
    """Rows of unit length: counterstain, chromogen, and the direction across both (Ruifrok and Johnston 2001)."""
    counterstain, chromogen = np.array(stain.counterstain), np.array(stain.chromogen)
    rows = np.stack([counterstain, chromogen, np.cross(counterstain, chromogen)])
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def concentrations(rgb_hwc: RgbImage, stain: Stain) -> NDArray[np.float64]:
    """Amounts of counterstain, chromogen and residual, float64 (H, W, 3), of a uint8 picture."""
    amounts: NDArray[np.float64] = separate_stains(rgb_hwc, np.linalg.inv(unmixing_matrix(stain)))
    return amounts


def recolour(rgb_hwc: RgbImage, source: Stain, target: Stain) -> RgbImage:
    """A picture of ``source`` drawn in the colours of ``target``; uint8 (H, W, 3), the same tissue."""
    return _draw(concentrations(rgb_hwc, source), target)


def chromogen_alone(rgb_hwc: RgbImage, stain: Stain) -> RgbImage:
    """A picture with the chromogen in its own colour and nothing else, on white; uint8 (H, W, 3)."""
    amounts = concentrations(rgb_hwc, stain)
    amounts[..., [0, 2]] = 0
    return _draw(amounts, stain)


def _draw(amounts: NDArray[np.float64], stain: Stain) -> RgbImage:
    drawn = combine_stains(amounts, unmixing_matrix(stain))
    rounded: RgbImage = np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)
    return rounded


TISSUE_DENSITY = 0.04
"""Mean optical density from which on there is tissue. A rule by saturation misses pale stroma and CD68; this one finds
89 % of the pixels of kidney fields in PAS and CD68, and nothing on a blank slide."""


def mean_density(rgb_hwc: RgbImage) -> NDArray[np.float32]:
    """Optical density, averaged over R, G and B; float32 (H, W) from 0 (white) to 2.4 (black)."""
    density: NDArray[np.float32] = _DENSITY[rgb_hwc[..., 0]]
    for channel in (1, 2):  # one after the other: thumbnails are large
        density += _DENSITY[rgb_hwc[..., channel]]
    density /= 3
    return density


_DENSITY = -np.log10((np.arange(256) + 1) / 256).astype(np.float32)


def tissue_mask(rgb_hwc: RgbImage, *, threshold: float = TISSUE_DENSITY, smoothing: float = 2.0) -> NDArray[np.bool_]:
    """Where there is tissue in a picture that may show nothing else.

    Args:
        rgb_hwc: uint8 (H, W, 3).
        threshold: Tissue has a mean optical density above this.
        smoothing: Deviation of the Gaussian that the density is smoothed with first, px.

    Returns:
        bool (H, W).
    """
    return _smooth(mean_density(rgb_hwc), smoothing) > threshold


def slide_tissue_mask(
    rgb_hwc: RgbImage, *, threshold: float = TISSUE_DENSITY, smoothing: float = 2.0
) -> NDArray[np.bool_]:
    """Where there is tissue on a slide that is seen whole, whatever its glass looks like.

    It is `tissue_mask` with two more rules. Black that a scanner or a converter fills up with is no tissue. Where the
    slide's glass is found and is darker than usual, the threshold rises by as much (`glass_density`).

    Args:
        rgb_hwc: uint8 (H, W, 3).
        threshold: Tissue has a mean optical density above this, on the usual glass.
        smoothing: Deviation of the Gaussian that the density is smoothed with first, px.

    Returns:
        bool (H, W).
    """
    fill = black_fill(rgb_hwc)
    smooth = _smooth_beside(mean_density(rgb_hwc), fill, smoothing)
    seen = ~fill & (rgb_hwc.min(axis=2) < _WHITE)
    glass = glass_density(rgb_hwc[seen], smooth[seen])
    darker = 0.0 if glass is None else max(0.0, glass - USUAL_GLASS)
    found: NDArray[np.bool_] = (smooth > threshold + darker) & ~fill
    return found


def black_fill(rgb_hwc: RgbImage) -> NDArray[np.bool_]:
    """Where a scanner or a converter filled up with black, bool (H, W): neither tissue nor glass."""
    filled: NDArray[np.bool_] = rgb_hwc.max(axis=2) <= _BLACK
    return filled


_BLACK, _WHITE = 5, 255
"""Grey levels of fill: black with what JPEG adds to it, and the white that stands for pixels that a slide lacks."""

USUAL_GLASS = 0.0225
"""Mean optical density of glass at 243, where `TISSUE_DENSITY` was chosen."""

MAX_GLASS = 0.12
"""Mean optical density of the darkest glass that is believed, 194. Kidney regions in PAS have glass at 213."""

_BIN = 0.004
_MIN_SHARE = 0.05  # of the pixels, that are as light as the glass
_MAX_LIGHTER, _MAX_DARKER = 0.1, 0.5  # of those pixels, a little lighter and a little darker: glass is one sharp peak
_MAX_TINT, _MAX_NOISE = 12, 6  # grey levels between its channels and of each; measured on 23 pictures: 8 and 3.2


def glass_density(rgb_nc: RgbImage, densities: NDArray[np.float32]) -> float | None:
    """The mean optical density of a slide's glass; None if none is found, as on a picture that tissue fills.

    Glass is a sharp peak at the light end of the densities, grey and even. Pale tissue has a broad peak, half of which
    is lighter, and a colour.

    Args:
        rgb_nc: The slide's pixels, uint8 (n, 3).
        densities: Their densities, smoothed, (n,).
    """
    counts, edges = np.histogram(densities, bins=np.arange(0, 2 * MAX_GLASS, _BIN))
    mode = int(counts[: round(MAX_GLASS / _BIN)].argmax())
    first, last = edges[max(0, mode - 1)], edges[mode + 2]
    alike = (densities >= first) & (densities < last)
    peak, lighter, darker = alike.sum(), (densities < first).sum(), counts[mode + 4 : mode + 7].sum()
    if peak <= _MIN_SHARE * densities.size or lighter > _MAX_LIGHTER * peak or darker > _MAX_DARKER * peak:
        return None
    pixels = rgb_nc[alike]
    tint, noise = np.ptp(np.median(pixels, axis=0)), pixels.std(axis=0).max()
    return float(np.median(densities[alike])) if tint <= _MAX_TINT and noise <= _MAX_NOISE else None


def _smooth_beside(density: NDArray[np.float32], fill: NDArray[np.bool_], smoothing: float) -> NDArray[np.float32]:
    """Density smoothed over the pixels that are no fill, as if there were none beside them."""
    if not fill.any():
        return _smooth(density, smoothing)
    weight = (~fill).astype(np.float32)
    whole = np.maximum(_smooth(weight, smoothing), np.float32(1e-6))  # amid the fill there is nothing
    return np.divide(_smooth(density * weight, smoothing), whole, dtype=np.float32)


def _smooth(values: NDArray[np.float32], smoothing: float) -> NDArray[np.float32]:
    from skimage.filters import gaussian  # 0.3 s, and only this needs it

    smooth: NDArray[np.float32] = gaussian(values, sigma=smoothing)  # type: ignore[no-untyped-call]
    return smooth
