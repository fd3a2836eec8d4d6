"""Tiles that generators are measured and shown on, cut from pictures of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from augengine.chain.translate import normalise
from augengine.draws.noise import FloatImage
from augengine.errors import CheckpointError, SourceError
from augengine.measures import Translate
from augengine.pictures.arrays import RgbImage
from augengine_train.data.domain import names_of, sizes_of

SIDE = 256
"""Longest side of a tile, px."""

MIN_TILE_SIDE = 32
_MULTIPLE = 4


def cut_tiles(images: Sequence[RgbImage], *, side: int = SIDE, count: int | None = None) -> list[RgbImage]:
    """Tiles of nearly equal sides that divide by 4, at most ``side`` px, row by row.

    Args:
        images: uint8 (H, W, 3).
        side: Longest side; a generator's norms see the whole tile, so numbers depend on it a little.
        count: Most tiles; spread evenly over all there are. Only the pictures they lie in are decoded.

    Raises:
        SourceError: No pictures, or one with a side below 32 px.
    """
    named = zip(names_of(images), sizes_of(images), strict=True)
    places = [(which, place) for which, (name, size) in enumerate(named) for place in _grid(name, size, side)]
    if not places:
        raise SourceError("there is no picture to measure on", hint="hold something out: --holdout 0.2")
    taken = min(count or len(places), len(places))
    chosen = [places[i * len(places) // taken] for i in range(taken)]
    return [np.ascontiguousarray(images[which][place]) for which, place in chosen]


def _grid(name: str, size: tuple[int, int], side: int) -> Iterator[tuple[slice, slice]]:
    height, width = size
    if min(height, width) < MIN_TILE_SIDE:
        raise SourceError(
            f"what is held out of picture {name} is {width} x {height} px, at least {MIN_TILE_SIDE} are needed",
            hint="hold a wider strip out, or whole files",
        )
    tall, wide = (total // -(-total // side) // _MULTIPLE * _MULTIPLE for total in (height, width))
    for y in range(0, height - tall + 1, tall):
        for x in range(0, width - wide + 1, wide):
            yield slice(y, y + tall), slice(x, x + wide)


def to_input(tile: RgbImage) -> FloatImage:
    """float32 (3, H, W) in [-1, 1] of a uint8 (H, W, 3) tile."""
    image: FloatImage = normalise([tile])[0]
    return image


def translate(network: nn.Module, image_chw: FloatImage, device: torch.device) -> FloatImage:
    """One image through a network, in float32 without autocast: (3, H, W) to the same shape.

    Raises:
        CheckpointError: The output is not finite.
    """
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        y: Tensor = network(torch.from_numpy(image_chw)[None].to(device))
    out: FloatImage = y[0].float().cpu().numpy()
    if not np.isfinite(out).all():
        raise CheckpointError("a generator's output is not finite", hint="its training diverged: lower the rate")
    return out


def as_translate(network: nn.Module, device: torch.device | str = "cpu") -> Translate:
    """A network as the function that measures take: image by image, see `translate`."""
    place = torch.device(device)
    return lambda images: [translate(network, image, place) for image in images]
