"""What the segmenter's own augmentations do to one sample: parameters drawn from a key, apart from applying them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from augengine.draws.philox import derive_key
from augengine_train.unet.recipe import UnetRecipe

ROTATION_DEG = 180.0
SHIFT = 0.2
ZOOM = 0.2
ELASTIC_SIGMA_PX = 10.0
ELASTIC_ALPHA_PX = 100.0
JITTER_ALPHA = 0.25
JITTER_BETA = 0.05
ENHANCE = 0.1
MAX_BLUR_SIGMA_PX = 1.0
MAX_NOISE_SIGMA = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """Rotation, shift, zoom and flips about the centre.

    Attributes:
        rotation_deg: Angle in degrees, in [-180, 180].
        shift_x, shift_y: Shifts as shares of the side, in [-0.2, 0.2].
        zoom: Factor in [0.8, 1.2].
        flip_x, flip_y: Mirrored left to right, top to bottom.
    """

    rotation_deg: float
    shift_x: float
    shift_y: float
    zoom: float
    flip_x: bool
    flip_y: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Enhance:
    """Brightness, contrast and colour as factors in [0.9, 1.1], in the sense of Pillow's ImageEnhance."""

    brightness: float
    contrast: float
    colour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """All draws for one sample; None where the coin said no.

    Attributes:
        affine: Rotation, shift, zoom, flips.
        elastic_seed: Random seed of a displacement field (Simard et al. 2003): uniform noise in [-1, 1], smoothed by
            sigma 10 px, times 100 px.
        stain_factors, stain_offsets: Change the amounts c of counterstain, chromogen and residual, which are optical
            densities by the natural logarithm, into ``a * c + b``: a in [0.75, 1.25], b in [-0.05, 0.05].
        enhance: Brightness, contrast, colour.
        blur_sigma_px: Standard deviation of the Gaussian blur in pixels, in [0, 1].
        noise_sigma: Standard deviation of the noise, in [0, 0.01] of the [0, 1] range.
        noise_seed: Random seed of that noise.
    """

    affine: Affine | None = None
    elastic_seed: int | None = None
    stain_factors: tuple[float, float, float] | None = None
    stain_offsets: tuple[float, float, float] = (0.0, 0.0, 0.0)
    enhance: Enhance | None = None
    blur_sigma_px: float | None = None
    noise_sigma: float | None = None
    noise_seed: int = field(default=0)


def draw(recipe: UnetRecipe, seed: int, key: str, epoch: int) -> Draws:
    """The draws of a sample in an epoch: a pure function of its arguments.

    Every value is drawn whether its coin falls or not, so that leaving one augmentation out changes no other.

    Args:
        recipe: How likely each is, and whether stains are jittered.
        seed: The training's.
        key: The tile's.
        epoch: 0, 1, 2, ...
    """
    rng = np.random.Generator(np.random.Philox(key=derive_key(seed, f"augmentations of {key} in epoch {epoch}")))
    coins = rng.random(6) < recipe.own_p
    affine, elastic_seed = _affine(rng), int(rng.integers(2**62))
    factors = rng.uniform(1 - JITTER_ALPHA, 1 + JITTER_ALPHA, 3)
    offsets = rng.uniform(-JITTER_BETA, JITTER_BETA, 3)
    enhance = Enhance(**dict(zip(("brightness", "contrast", "colour"), _enhance(rng), strict=True)))
    blur, noise, noise_seed = rng.uniform(0, MAX_BLUR_SIGMA_PX), rng.uniform(0, MAX_NOISE_SIGMA), rng.integers(2**62)
    jitters = recipe.stain_jitter and coins[2]
    return Draws(
        affine=affine if coins[0] else None,
        elastic_seed=elastic_seed if coins[1] else None,
        stain_factors=_triple(factors) if jitters else None,
        stain_offsets=_triple(offsets) if jitters else (0.0, 0.0, 0.0),
        enhance=enhance if coins[3] else None,
        blur_sigma_px=float(blur) if coins[4] else None,
        noise_sigma=float(noise) if coins[5] else None,
        noise_seed=int(noise_seed),
    )


def draw_stain_jitter(seed: int, key: str, variant: int) -> Draws:
    """Stain jitter alone, for certain: what a stain jitter's variant of a tile is."""
    rng = np.random.Generator(np.random.Philox(key=derive_key(seed, f"stain jitter of {key}, variant {variant}")))
    factors = rng.uniform(1 - JITTER_ALPHA, 1 + JITTER_ALPHA, 3)
    return Draws(stain_factors=_triple(factors), stain_offsets=_triple(rng.uniform(-JITTER_BETA, JITTER_BETA, 3)))


def _affine(rng: np.random.Generator) -> Affine:
    rotation, x, y, zoom = rng.uniform(
        [-ROTATION_DEG, -SHIFT, -SHIFT, 1 - ZOOM], [ROTATION_DEG, SHIFT, SHIFT, 1 + ZOOM]
    )
    flip_x, flip_y = rng.random(2) < 0.5
    return Affine(
        rotation_deg=float(rotation),
        shift_x=float(x),
        shift_y=float(y),
        zoom=float(zoom),
        flip_x=bool(flip_x),
        flip_y=bool(flip_y),
    )


def _enhance(rng: np.random.Generator) -> list[float]:
    return [float(value) for value in rng.uniform(1 - ENHANCE, 1 + ENHANCE, 3)]


def _triple(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in values)
    return a, b, c
