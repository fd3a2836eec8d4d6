"""What a foreign graph does with images: which sides it takes, and whether it translates them one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augengine.errors import CheckpointError, WeightsError
from augengine.importing.export import compare
from augengine.spec import SIDE_MULTIPLE

MAX_MULTIPLE = 512
"""Largest power of 2 that is tried for the sides; nine strides of 2 need it."""

MAX_VALUES = 1 << 28
"""Elements of any value in a graph, 1 GB in float32; a generator's largest has 262 144 for 64 x 64 px."""

MAX_OUTPUT = 1.5
"""Largest value of a sound output: it should lie in [-1, 1]."""

_SAME = 1e-3
_BAKED_SIDE, _BAKED_SHARE, _BAKED_GREY_LEVELS = 32, 0.7, 2.0

Images = NDArray[np.float32]
Translate = Callable[[Images], Images]
"""float32 (N, 3, H, W) in [-1, 1] to the same."""


def fit_sides(x_nchw: Images, multiple: int) -> Images:
    """The images with sides that are multiples, mirrored at the right and at the bottom as far as that needs."""
    rows, columns = (-side % multiple for side in x_nchw.shape[2:])
    return np.pad(x_nchw, ((0, 0), (0, 0), (0, rows), (0, columns)), mode="symmetric")


def find_multiple(translate: Translate, path: Path, largest: int = 0) -> int:
    """The smallest power of 2, from 4 up, whose multiples a generator takes as sides.

    Args:
        translate: The generator.
        path: Its file, for the error's sentence.
        largest: Elements of its largest value for an image of 64 x 64 px, as far as that is known.

    Raises:
        CheckpointError: There is none.
    """
    reasons = []
    for multiple, sides in _tries():
        if largest * math.prod(sides) > MAX_VALUES * 64 * 64:
            break
        x = drawn_images(2, *sides)
        try:
            y = translate(x)
        except WeightsError as error:
            reasons.append(error.message)
            continue
        if y.shape == x.shape:
            return multiple
        reasons.append(f"it makes {y.shape} of {x.shape}")
    raise CheckpointError(
        f"{path} does not give images of equal shapes back, as a generator of every size does, whatever power of 2 up "
        f"to {MAX_MULTIPLE} their sides are multiples of: {reasons[0]}",
        hint="a generator gives images of the size it takes; export it with dynamic N, H and W",
    )


def _tries() -> Iterator[tuple[int, tuple[int, int]]]:
    """Powers of 2, with sides that are multiples of each and of no greater one."""
    multiple = SIDE_MULTIPLE
    while multiple <= MAX_MULTIPLE:
        odd = max(1, 48 // multiple) | 1
        yield multiple, (odd * multiple, (odd + 2) * multiple)
        multiple *= 2


def drawn_images(count: int, height: int, width: int) -> Images:
    """Smooth coloured blobs with fine grain, float32 (N, 3, H, W) in [-1, 1]; no two are alike."""
    random = np.random.default_rng(0)
    coarse = random.uniform(-1, 1, (count, 3, -(-height // 16), -(-width // 16)))
    blobs = coarse.repeat(16, axis=2).repeat(16, axis=3)[:, :, :height, :width]
    return np.clip(0.8 * blobs + random.normal(0, 0.1, blobs.shape), -1, 1).astype(np.float32)


def check_behaviour(translate: Translate, tile_nchw: Images, multiple: int, path: Path) -> tuple[str, ...]:
    """Refuse what is no translation of images in [-1, 1], one by one; return what is odd.

    Args:
        translate: The generator.
        tile_nchw: An image that it should be able to translate; its sides are multiples.
        multiple: What `find_multiple` found.
        path: Its file, for the error's sentence.

    Raises:
        CheckpointError: It is none.
    """
    y, pair = translate(tile_nchw), drawn_images(2, *next(sides for each, sides in _tries() if each == multiple))
    both, alone = translate(pair), translate(pair[1:])
    if not np.isfinite(y).all() or np.abs(y).max() > MAX_OUTPUT:
        raise CheckpointError(
            f"{path} gives values from {y.min():.3g} to {y.max():.3g} for an image in [-1, 1], expected the same range",
            hint="export it together with the scaling of its input and output",
        )
    if compare(both[1:], alone).max > _SAME:
        raise CheckpointError(
            f"{path} makes another image of one that has neighbours in its batch",
            hint="export it in eval mode: batch norm is in training mode",
        )
    return ("it gives no value below 0: was it trained on [0, 1] in place of [-1, 1]?",) if y.min() >= 0 else ()


def check_opened(translate: Translate, fixed: tuple[int | str, int | str], multiple: int, path: Path) -> str:
    """Refuse a graph that has its size built in; return what to say of one whose sides were fixed and are opened.

    An image, and the same image repeated twice and four times to the right and down, differ in the inner part by what
    comes in from the border, which fades with the size. A number of pixels that was built in does not fade.

    Args:
        translate: The generator.
        fixed: Height and width that its file was fixed to.
        multiple: What its sides are multiples of.
        path: Its file, for the error's sentence.

    Raises:
        CheckpointError: The differences grow.
    """
    side = -(-_BAKED_SIDE // multiple) * multiple
    x, inner = drawn_images(1, side, side), slice(side // 4, side - side // 4)
    made = [translate(np.tile(x, (1, 1, times, times)))[:, :, inner, inner] for times in (1, 2, 4)]
    first, second = (127.5 * float(np.abs(a - b).mean()) for a, b in pairwise(made))
    size = f"{fixed[1]} x {fixed[0]} px"
    if second > max(_BAKED_SHARE * first, _BAKED_GREY_LEVELS):
        raise CheckpointError(
            f"{path} was exported for {size} alone and has that size built in: at twice the size it differs by "
            f"{first:.2g} grey levels in the mean, at four times by {second:.2g} more",
            hint="export it with dynamic H and W, and take sizes from the tensor inside the network",
        )
    return f"it was exported for {size} alone and is used at every size: dynamic H and W in its export would be surer"
