"""The segmenter's own augmentations applied, by kornia, which is imported here alone."""

from __future__ import annotations

import math

import kornia
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.colour import unmixing_matrix
from augengine.stains import Stain
from augengine_train.unet.draws import ELASTIC_ALPHA_PX, ELASTIC_SIGMA_PX, Affine, Draws, Enhance

_SIGMAS = 3
"""A smoothing kernel reaches this many sigmas to each side."""


def apply(draws: Draws, rgb_hwc: RgbImage, mask: Mask, stain: Stain | None) -> tuple[Tensor, Mask]:
    """A tile and its mask, augmented: stains first, then geometry, then what a camera does.

    What geometry brings in from outside is the tile mirrored, in the mask too. Masks take the nearest pixel's class.

    Args:
        draws: What to do.
        rgb_hwc: uint8 (H, W, 3).
        mask: Class ids, uint8 (H, W).
        stain: Whose vectors the stain jitter takes; None where nothing is jittered.

    Returns:
        float32 (3, H, W) in [0, 1], and uint8 (H, W).
    """
    jittered = jitter_stains(draws, rgb_hwc, stain) if stain is not None else rgb_hwc / np.float32(255)
    image = torch.from_numpy(np.ascontiguousarray(jittered.transpose(2, 0, 1), dtype=np.float32))[None]
    ids = torch.from_numpy(mask.astype(np.float32))[None, None]
    if draws.affine is not None:
        image, ids = (_affine(draws.affine, each, mode) for each, mode in ((image, "bilinear"), (ids, "nearest")))
    if draws.elastic_seed is not None:
        field = _field(draws.elastic_seed, *mask.shape)
        image, ids = (_elastic(field, each, mode) for each, mode in ((image, "bilinear"), (ids, "nearest")))
    image = _camera(draws, image)
    return image[0], ids[0, 0].numpy().astype(np.uint8)


def jitter_stains(draws: Draws, rgb_hwc: RgbImage, stain: Stain) -> NDArray[np.float64]:
    """The stains' amounts scaled and shifted, and made a picture again; float64 (H, W, 3) in [0, 1].

    Amounts are optical densities by the natural logarithm, along the stain's unit vectors (Ruifrok and Johnston 2001).
    Nothing is clipped on the way, so that a factor of 1 and an offset of 0 give the picture back.
    """
    if draws.stain_factors is None:
        return rgb_hwc / np.float64(255)
    directions = unmixing_matrix(stain)
    densities = -np.log(np.maximum(rgb_hwc, 1) / 255.0)
    amounts = densities @ np.linalg.inv(directions) * np.array(draws.stain_factors) + np.array(draws.stain_offsets)
    jittered: NDArray[np.float64] = np.clip(np.exp(-amounts @ directions), 0, 1)
    return jittered


def _affine(affine: Affine, image_nchw: Tensor, mode: str) -> Tensor:
    height, width = image_nchw.shape[2:]
    centre = torch.tensor([[(width - 1) / 2, (height - 1) / 2]])
    angle, scale = (
        torch.tensor(values, dtype=torch.float32) for values in ([affine.rotation_deg], [[affine.zoom] * 2])
    )
    matrix = kornia.geometry.transform.get_rotation_matrix2d(centre, angle, scale)
    matrix = matrix @ _mirror(affine, height, width)
    matrix[:, :, 2] += torch.tensor([affine.shift_x * width, affine.shift_y * height])
    return kornia.geometry.transform.warp_affine(
        image_nchw, matrix, (height, width), mode=mode, padding_mode="reflection", align_corners=True
    )


def _mirror(affine: Affine, height: int, width: int) -> Tensor:
    """3 x 3, about the picture's centre."""
    x, y = (-1.0 if flip else 1.0 for flip in (affine.flip_x, affine.flip_y))
    shift_x, shift_y = (width - 1.0) * affine.flip_x, (height - 1.0) * affine.flip_y
    return torch.tensor([[[x, 0.0, shift_x], [0.0, y, shift_y], [0.0, 0.0, 1.0]]])


def _field(seed: int, height: int, width: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(1, 2, height, width, generator=random) - 1


def _elastic(field: Tensor, image_nchw: Tensor, mode: str) -> Tensor:
    height, width = image_nchw.shape[2:]
    kernel = 2 * math.ceil(_SIGMAS * ELASTIC_SIGMA_PX) + 1
    # kornia's displacements are in units of half a side.
    alpha = (2 * ELASTIC_ALPHA_PX / width, 2 * ELASTIC_ALPHA_PX / height)
    sigma = (ELASTIC_SIGMA_PX, ELASTIC_SIGMA_PX)
    return kornia.geometry.transform.elastic_transform2d(
        image_nchw, field, (kernel, kernel), sigma, alpha, align_corners=False, mode=mode, padding_mode="reflection"
    )


def _camera(draws: Draws, image: Tensor) -> Tensor:
    if draws.enhance is not None:
        image = _enhance(draws.enhance, image)
    if draws.blur_sigma_px:
        kernel = 2 * math.ceil(_SIGMAS * draws.blur_sigma_px) + 1
        image = kornia.filters.gaussian_blur2d(image, kernel, (draws.blur_sigma_px, draws.blur_sigma_px))
    if draws.noise_sigma is not None:
        random = torch.Generator().manual_seed(draws.noise_seed)
        image = image + draws.noise_sigma * torch.randn(image.shape, generator=random)
    return image.clamp(0, 1)


def _enhance(enhance: Enhance, image: Tensor) -> Tensor:
    # kornia's adjust_contrast scales about black, which Pillow calls brightness.
    image = kornia.enhance.adjust_contrast(image, enhance.brightness)
    image = kornia.enhance.adjust_contrast_with_mean_subtraction(image, enhance.contrast)
    return kornia.enhance.adjust_saturation_with_gray_subtraction(image, enhance.colour)
