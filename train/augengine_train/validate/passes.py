"""Runs a pair of generators over held-out tiles and measures what comes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from augengine.draws.noise import FloatImage
from augengine.measures import (
    Cycle,
    Translate,
    check_sigmas,
    cycle_error,
    draw,
    run_cycles,
    spectrum,
    structure,
    to_rgb,
    under_noise,
)
from augengine.measures.objects import compare_objects
from augengine.pictures.arrays import RgbImage
from augengine.pictures.markers import MarkerRule, contrast, derive_threshold, dice, share
from augengine.stains import Stain
from augengine_train.validate.kid import kernel_distance
from augengine_train.validate.report import Validation
from augengine_train.validate.tiles import SIDE, as_translate, cut_tiles, to_input

SIGMAS = (0.01, 0.05, 0.1, 0.3)
"""Sigmas that are measured unless told otherwise; they are taken from the paper's grid of eps."""

TILES = 16

Draws = tuple[list[FloatImage], list[FloatImage]]
"""Two draws of every tile."""

_RIM = 8  # px
_TINY = 1e-12  # an exact reconstruction has a clean border


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
        seed: Random seed of the noise.
        device: Where the networks are.
        side: Longest side of a tile, px.
        tiles: Most tiles of each domain.
        threshold: Chromogen concentration of a marker; None derives it from ``stain_images``.
        features: A feature network for KID, see `augengine_train.validate.kid.load_features`.

    Raises:
        SourceError: Nothing was held out, or too small a strip.
        SpecError: Sigmas out of range.
        CheckpointError: Output that is not finite, or a feature network that does not fit.
    """
    check_sigmas(tuple(sigmas))
    at = torch.device(device)
    there, back = (as_translate(network, at) for network in (to_reference, from_reference))
    a_tiles, b_tiles = (cut_tiles(images, side=side, count=tiles) for images in (reference_images, stain_images))
    limit = derive_threshold(stain_images, stain) if threshold is None else threshold
    rule = MarkerRule(stain=stain, threshold=limit)
    of_reference, of_stain = _cycles(a_tiles, back, there), _cycles(b_tiles, there, back)
    masks = [rule.mask(tile) for tile in b_tiles]
    cycled = [rule.mask(to_rgb(cycle.back)) for cycle in of_stain]
    translated = [rule.mask(to_rgb(cycle.there)) for cycle in of_reference]
    draws = [_draws(of_stain, back, sigma, seed) for sigma in sigmas]
    noisy = [under_noise(of_stain, masks, pair, rule, sigma) for sigma, pair in zip(sigmas, draws, strict=True)]
    return Validation(
        stain=stain.name,
        reference=stain.reference or "reference",
        reference_tiles=len(a_tiles),
        stain_tiles=len(b_tiles),
        cycle_reference=cycle_error(of_reference),
        cycle_stain=cycle_error(of_stain),
        marker_threshold=limit,
        marker_dice=dice(masks, cycled),
        marker_area=share(masks),
        marker_area_cycled=share(cycled),
        marker_area_translated=share(translated),
        contrast_real=contrast(b_tiles, masks),
        contrast_hidden=contrast([to_rgb(cycle.there) for cycle in of_stain], masks),
        rim=_rim([*of_reference, *of_stain]),
        sigmas=tuple(sigmas),
        response=tuple(each.response for each in noisy),
        agreement=tuple(each.agreement for each in noisy),
        faithful=tuple(each.faithful for each in noisy),
        area=tuple(each.area for each in noisy),
        objects=tuple(compare_objects(cycled, [rule.mask(to_rgb(image)) for image in first]) for first, _ in draws),
        structure=_structure_left(b_tiles, of_stain, [first for first, _ in draws], stain),
        checkerboard_db=_checkerboard(of_stain),
        kid_reference=_kid(a_tiles, of_stain, features),
        kid_stain=_kid(b_tiles, of_reference, features),
    )


def _cycles(tiles: Sequence[RgbImage], first: Translate, second: Translate) -> list[Cycle]:
    keys = [f"tile-{number}" for number in range(len(tiles))]
    return run_cycles(keys, [to_input(tile) for tile in tiles], first, second)


def _draws(cycles: Sequence[Cycle], back: Translate, sigma: float, seed: int) -> Draws:
    first, second = (draw(cycles, back, sigma=sigma, seed=seed, variant=variant) for variant in (1, 2))
    return first, second


def _structure_left(
    tiles: Sequence[RgbImage], cycles: Sequence[Cycle], drawn: Sequence[Sequence[FloatImage]], stain: Stain
) -> tuple[float, ...]:
    """The counterstain's structure in each draw over that in the reconstruction; 0 where even that has none."""
    bare, *noisy = (
        structure(tiles, [to_rgb(image) for image in made], stain)
        for made in ([cycle.back for cycle in cycles], *drawn)
    )
    return tuple(each / bare if bare > 0 else 0.0 for each in noisy)


def _checkerboard(cycles: Sequence[Cycle]) -> float:
    made, real = (spectrum([getattr(cycle, name) for cycle in cycles]) for name in ("back", "real"))
    return made.checkerboard_over(real)


def _rim(cycles: Sequence[Cycle]) -> float:
    border, inside = 0.0, 0.0
    border_pixels, inside_pixels = 0, 0
    for cycle in cycles:
        squared = ((cycle.back - cycle.real).astype(np.float64) ** 2).sum(axis=0)
        middle = squared[_RIM:-_RIM, _RIM:-_RIM]
        inside, inside_pixels = inside + float(middle.sum()), inside_pixels + middle.size
        border, border_pixels = border + float(squared.sum() - middle.sum()), border_pixels + squared.size - middle.size
    return float(np.sqrt((border / border_pixels + _TINY) / (inside / inside_pixels + _TINY)))


def _kid(real: Sequence[RgbImage], cycles: Sequence[Cycle], features: nn.Module | None) -> float | None:
    return None if features is None else kernel_distance(real, [to_rgb(cycle.there) for cycle in cycles], features)
