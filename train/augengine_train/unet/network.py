"""The U-Net (Ronneberger, Fischer and Brox 2015) of the laboratory's segmenter: no norms, no dropout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from augengine_train.unet.recipe import UnetRecipe

CLASSES = 2
"""Background and foreground."""


class Unet(nn.Module):
    """Contracting levels of two 3x3 convolutions with ReLU, halved by 2x2 maxima; the way back by learned 2x2
    transposed convolutions, each joined with the centre of its level's features on the way down.

    Args:
        recipe: Its padding, width and depth.
        seed: Random seed of the initial weights: Glorot's uniform ones, biases 0.
    """

    def __init__(self, recipe: UnetRecipe, *, seed: int = 0) -> None:
        super().__init__()
        widths = [recipe.width << level for level in range(recipe.depth)]
        pad = 1 if recipe.padding == "same" else 0
        self.down = nn.ModuleList(_pair(c_in, c, pad) for c_in, c in zip([3, *widths], widths, strict=False))
        steps = [(widths[level + 1], widths[level]) for level in reversed(range(recipe.depth - 1))]
        self.raise_ = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, stride=2) for low, high in steps)
        self.up = nn.ModuleList(_pair(2 * high, high, pad) for _, high in steps)
        self.classify = nn.Conv2d(recipe.width, CLASSES, 1)
        _initialise(self, torch.Generator().manual_seed(seed))

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Class scores before the softmax, float (N, 2, h, w), of standardised images (N, 3, H, W)."""
        skips: list[Tensor] = []
        for level in self.down:
            if skips:
                x_nchw = nn.functional.max_pool2d(x_nchw, 2)
            x_nchw = level(x_nchw)
            skips.append(x_nchw)
        for raised, level, skip in zip(self.raise_, self.up, reversed(skips[:-1]), strict=True):
            x_nchw = raised(x_nchw)
            x_nchw = level(torch.cat([_centre(skip, x_nchw), x_nchw], dim=1))
        scores: Tensor = self.classify(x_nchw)
        return scores


def _pair(channels_in: int, channels: int, pad: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=pad),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=pad),
        nn.ReLU(inplace=True),
    )


def _centre(wide: Tensor, narrow: Tensor) -> Tensor:
    """The middle of ``wide``, as large as ``narrow``."""
    top, left = ((wide.shape[axis] - narrow.shape[axis]) // 2 for axis in (2, 3))
    return wide[:, :, top : top + narrow.shape[2], left : left + narrow.shape[3]]


def _initialise(network: nn.Module, random: torch.Generator) -> None:
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(part.weight, generator=random)
            assert part.bias is not None
            nn.init.zeros_(part.bias)
