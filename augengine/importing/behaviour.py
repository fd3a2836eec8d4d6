"""What a foreign graph does with images: which sides it takes, and whether it translates them one by one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from augengine.errors import CheckpointError, WeightsError
from augengine.importing.cost import TooCostly
from augengine.importing.export import Tile, Translate, compare, drawn_images
from augengine.weights.cards import MAX_MULTIPLE

MAX_OUTPUT = 1.5
"""Largest value of a sound output: it should lie in [-1, 1]."""

_SAME = 1e-3
# Strides of 2, and windows of 3, 5, 6 or 7 between them.
_MULTIPLES = sorted(n << k for n in (1, 3, 5, 7) for k in range(2, 10) if n << k <= MAX_MULTIPLE)
_REPEATED_SIDE, _MAX_REPEATED = 32, 128
_GROWING, _GREY_LEVELS = 0.7, 2.0

Fixed = tuple[int | str, int | str]
"""Height and width of an input, of which one at least is fixed; the other may be a name."""


def fit_sides(x_nchw: Tile, multiple: int) -> Tile:
    """The images with sides that are multiples, mirrored at the right and at the bottom as far as that needs."""
    rows, columns = (-side % multiple for side in x_nchw.shape[2:])
    return np.pad(x_nchw, ((0, 0), (0, 0), (0, rows), (0, columns)), mode="symmetric")


def find_multiple(translate: Translate, path: Path) -> int:
    """The smallest number of pixels, a multiple of 4, whose multiples a generator takes as sides.

    Args:
        translate: The generator.
        path: Its file, for the error's sentence.

    Raises:
        CheckpointError: There is none.
    """
    reasons = []
    for multiple in _MULTIPLES:
        x = drawn_images(2, *_sides(multiple))
        try:
            y = translate(x)
        except TooCostly:
            raise
        except WeightsError as error:
            reasons.append(error.message)
            continue
        if y.shape == x.shape:
            return multiple
        reasons.append(f"it makes {y.shape} of {x.shape}")
    raise CheckpointError(
        f"{path} does not give images of equal shapes back, as a generator of every size does, whatever number up to "
        f"{MAX_MULTIPLE} px their sides are multiples of: {reasons[0]}",
        hint="a generator gives images of the size it takes; export it with dynamic N, H and W",
    )


def _sides(multiple: int) -> tuple[int, int]:
    """Two sides of about 48 px or more whose only common divisor is the multiple."""
    odd = max(1, 48 // multiple) | 1
    return odd * multiple, (odd + 2) * multiple


def check_behaviour(translate: Translate, tile_nchw: Tile, multiple: int, path: Path) -> tuple[str, ...]:
    """Refuse what is no translation of images in [-1, 1], one by one; return what is odd.

    Args:
        translate: The generator.
        tile_nchw: An image that it should be able to translate; its sides are multiples.
        multiple: What `find_multiple` found.
        path: Its file, for the error's sentence.

    Raises:
        CheckpointError: It is none.
    """
    y, pair = translate(tile_nchw), drawn_images(2, *_sides(multiple))
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


def check_sizes(translate: Translate, fixed: Fixed | None, multiple: int, path: Path) -> tuple[str, ...]:
    """Refuse a graph whose sides were fixed and that has its size built in; return what to say of any other.

    An image, and the same image repeated twice and four times to the right and down, differ in the inner part by what
    comes in from the border, which fades with the size. A number of pixels that was built in does not fade.

    Args:
        translate: The generator.
        fixed: Height and width that its file was fixed to; None if both were open.
        multiple: What its sides are multiples of.
        path: Its file, for the error's sentence.

    Raises:
        CheckpointError: The differences of a graph whose sides were fixed grow.
    """
    size = "" if fixed is None else f"{fixed[1]} x {fixed[0]} px"
    opened = f"it was exported for {size} alone and is used at every size: dynamic H and W in its export would be surer"
    side = -(-_REPEATED_SIDE // multiple) * multiple
    if side > _MAX_REPEATED:
        return (opened,) if fixed else ()
    x, inner = drawn_images(1, side, side), slice(side // 4, side - side // 4)
    made = [translate(np.tile(x, (1, 1, times, times)))[:, :, inner, inner] for times in (1, 2, 4)]
    first, second = (127.5 * float(np.abs(a - b).mean()) for a, b in pairwise(made))
    if second <= max(_GROWING * first, _GREY_LEVELS):
        return (opened,) if fixed else ()
    grows = f"at twice the size it differs by {first:.2g} grey levels in the mean, at four times by {second:.2g} more"
    if fixed is None:
        return (f"what it makes of an image depends on the size around it: {grows}; is a size built in?",)
    raise CheckpointError(
        f"{path} was exported for {size} alone and has that size built in: {grows}",
        hint="export it with dynamic H and W, and take sizes from the tensor inside the network",
    )
