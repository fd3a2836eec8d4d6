"""Runs a pair of generators over held-out tiles and measures what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from augengine.chain.translate import quantise
from augengine.noise import add_noise
from augengine.stains import Stain
from train.markers import Mask, contrast, derive_threshold, dice, marker_mask
from train.tiles import SIDE, FloatImage, RgbImage, cut_tiles, to_input, translate
from train.validate.kid import kernel_distance
from train.validate.report import CycleError, Validation, check_sigmas

SIGMAS = (0.01, 0.05, 0.1, 0.3)
"""From the paper's grid of eps."""

TILES = 16

_RIM = 8  # px
_TINY = 1e-12  # an exact reconstruction has a clean border

_Translate = Callable[[FloatImage], FloatImage]


def measure(
    to_reference: nn.Module,
    from_reference: nn.Module,
    reference_images: Sequence[RgbImage],
    stain_images: Sequence[RgbImage],
    stain: Stain,
    *,
    sigmas: Sequence[float] = SIGMAS,
    seed: int = 0,
    device: torch.device | str = "cpu",
    side: int = SIDE,
    tiles: int = TILES,
    threshold: float | None = None,
    features: nn.Module | None = None,
) -> Validation:
    """Measure both cycles, the markers, and the response to noise.

    Four passes and two for each sigma and tile of the stain, in float32; noise is keyed as in `augment`, so that the
    same arguments give the same numbers on the same machine.

    Args:
        to_reference: Stain to reference, on ``device``; float (N, 3, H, W) in [-1, 1].
        from_reference: Back.
        reference_images, stain_images: Held-out uint8 (H, W, 3).
        stain: The stain and its vectors.
        sigmas: Standard deviations of the noise, ascending, in (0, 2].
        seed: Of the noise.
        device: Where the networks are.
        side: Longest side of a tile, px.
        tiles: Most tiles of each domain.
        threshold: Chromogen concentration of a marker; None derives it from ``stain_images``.
        features: A feature network for KID, see `train.validate.kid.load_features`.

    Raises:
        SourceError: Nothing was held out, or too small a strip.
        SpecError: Sigmas out of range.
        CheckpointError: Output that is not finite, or a feature network that does not fit.
    """
    check_sigmas(tuple(sigmas))
    at = torch.device(device)
    there, back = (_on(network, at) for network in (to_reference, from_reference))
    a_tiles, b_tiles = (cut_tiles(images, side=side, count=tiles) for images in (reference_images, stain_images))
    limit = derive_threshold(stain_images, stain) if threshold is None else threshold
    of_reference = [_cycle(tile, back, there) for tile in a_tiles]
    of_stain = [_cycle(tile, there, back) for tile in b_tiles]
    masks = [marker_mask(tile, stain, limit) for tile in b_tiles]
    cycled = [_markers(cycle.back, stain, limit) for cycle in of_stain]
    translated = [_markers(cycle.there, stain, limit) for cycle in of_reference]
    noisy = [_under_noise(of_stain, masks, back, (stain, limit), sigma, seed) for sigma in sigmas]
    return Validation(
        stain=stain.name,
        reference=stain.reference or "reference",
        reference_tiles=len(a_tiles),
        stain_tiles=len(b_tiles),
        cycle_reference=_error(of_reference),
        cycle_stain=_error(of_stain),
        marker_threshold=limit,
        marker_dice=dice(masks, cycled),
        marker_area=_share(masks),
        marker_area_cycled=_share(cycled),
        marker_area_translated=_share(translated),
        contrast_real=contrast(b_tiles, masks),
        contrast_hidden=contrast([_rgb(cycle.there) for cycle in of_stain], masks),
        rim=_rim([*of_reference, *of_stain]),
        sigmas=tuple(sigmas),
        response=tuple(each.response for each in noisy),
        agreement=tuple(each.agreement for each in noisy),
        faithful=tuple(each.faithful for each in noisy),
        area=tuple(each.area for each in noisy),
        kid_reference=_kid(a_tiles, of_stain, features),
        kid_stain=_kid(b_tiles, of_reference, features),
    )


@dataclass(frozen=True, slots=True)
class _Cycle:
    """A tile, its translation and its reconstruction; float32 (3, H, W)."""

    real: FloatImage
    there: FloatImage
    back: FloatImage


@dataclass(frozen=True, slots=True)
class _Noisy:
    response: float
    agreement: float | None
    faithful: float | None
    area: float


def _on(network: nn.Module, device: torch.device) -> _Translate:
    return lambda image: translate(network, image, device)


def _cycle(tile: RgbImage, first: _Translate, second: _Translate) -> _Cycle:
    real = to_input(tile)
    there = first(real)
    return _Cycle(real, there, second(there))


def _under_noise(
    cycles: Sequence[_Cycle],
    masks: Sequence[Mask],
    back: _Translate,
    rule: tuple[Stain, float],
    sigma: float,
    seed: int,
) -> _Noisy:
    draws = [[_draw(cycle.there, back, sigma, seed, number, which) for which in (1, 2)]
             for number, cycle in enumerate(cycles)]  # fmt: skip
    first, second = ([_markers(pair[which], *rule) for pair in draws] for which in (0, 1))
    changes = [_rms(image - cycle.back) for cycle, pair in zip(cycles, draws, strict=True) for image in pair]
    return _Noisy(
        response=float(np.mean(changes)),
        agreement=dice(first, second),
        faithful=dice(masks, first),
        area=_share(first),
    )


def _draw(there: FloatImage, back: _Translate, sigma: float, seed: int, number: int, which: int) -> FloatImage:
    noisy = np.empty_like(there)
    add_noise(there, noisy, sigma=sigma, seed=seed, key=f"tile-{number}", variant=which)
    return back(noisy)


def _rgb(image_chw: FloatImage) -> RgbImage:
    rgb: RgbImage = quantise(image_chw[None])[0]
    return rgb


def _markers(image_chw: FloatImage, stain: Stain, threshold: float) -> Mask:
    return marker_mask(_rgb(image_chw), stain, threshold)


def _share(masks: Sequence[Mask]) -> float:
    return sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks)


def _rms(difference: FloatImage) -> float:
    return float(np.sqrt(np.mean(difference.astype(np.float64) ** 2)))


def _error(cycles: Sequence[_Cycle]) -> CycleError:
    difference: NDArray[np.float64] = np.concatenate(
        [(cycle.back.astype(np.float64) - cycle.real).ravel() for cycle in cycles]
    )
    return CycleError(l1=float(np.abs(difference).mean()), rms=float(np.sqrt(np.mean(difference**2))))


def _rim(cycles: Sequence[_Cycle]) -> float:
    border, inside = 0.0, 0.0
    border_pixels, inside_pixels = 0, 0
    for cycle in cycles:
        squared = ((cycle.back - cycle.real).astype(np.float64) ** 2).sum(axis=0)
        middle = squared[_RIM:-_RIM, _RIM:-_RIM]
        inside, inside_pixels = inside + float(middle.sum()), inside_pixels + middle.size
        border, border_pixels = border + float(squared.sum() - middle.sum()), border_pixels + squared.size - middle.size
    return float(np.sqrt((border / border_pixels + _TINY) / (inside / inside_pixels + _TINY)))


def _kid(real: Sequence[RgbImage], cycles: Sequence[_Cycle], features: nn.Module | None) -> float | None:
    return None if features is None else kernel_distance(real, [_rgb(cycle.there) for cycle in cycles], features)
