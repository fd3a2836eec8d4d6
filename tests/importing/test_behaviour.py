"""Which sides a generator takes, and whether it has a size built in, are found by running it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augengine.errors import CheckpointError, WeightsError
from augengine.importing.behaviour import (
    check_behaviour,
    check_sizes,
    find_multiple,
    fit_sides,
)
from augengine.importing.export import Tile, Translate, drawn_images
from augengine.weights.cards import MAX_MULTIPLE

FILE = Path("G.onnx")


def only(multiple: int) -> Translate:
    """A translation that fails at any other side, as a graph does in onnxruntime."""

    def translate(x: Tile) -> Tile:
        if any(side % multiple for side in x.shape[2:]):
            raise WeightsError(f"the graph fails at {x.shape}")
        return np.tanh(x)

    return translate


def rounding(multiple: int) -> Translate:
    """One whose output is rounded up, as transposed convolutions do."""
    return lambda x: np.tanh(fit_sides(x, multiple))


@pytest.mark.parametrize("make", [only, rounding])
@pytest.mark.parametrize(
    ("own", "found"),
    [(1, 4), (2, 4), (4, 4), (8, 8), (16, 16), (64, 64), (256, 256), (512, 512), (7, 28), (24, 24), (160, 160)],
)
def test_the_smallest_multiple_is_found(make: object, own: int, found: int) -> None:
    assert callable(make)
    assert find_multiple(make(own), FILE) == found


def test_a_generator_that_takes_no_multiple_is_refused_with_what_it_does() -> None:
    with pytest.raises(CheckpointError, match=r"fails at \(2, 3, 52, 60\)"):
        find_multiple(only(2 * MAX_MULTIPLE), FILE)
    with pytest.raises(CheckpointError, match=r"makes \(2, 3, 104, 120\) of \(2, 3, 52, 60\)"):
        find_multiple(lambda x: x.repeat(2, axis=2).repeat(2, axis=3), FILE)


@pytest.mark.parametrize("multiple", [4, 16, 256])
def test_images_are_mirrored_up_to_the_multiple_and_no_further(multiple: int) -> None:
    x = drawn_images(2, 48, 130)
    fitted = fit_sides(x, multiple)
    assert all(side % multiple == 0 for side in fitted.shape[2:])
    assert all(a - b < multiple for a, b in zip(fitted.shape[2:], x.shape[2:], strict=True))
    np.testing.assert_array_equal(fitted[:, :, :48, :130], x)


def test_images_are_told_by_what_comes_out() -> None:
    tile = drawn_images(1, 64, 64)
    assert check_behaviour(np.tanh, tile, 4, FILE) == ()
    assert "was it trained on [0, 1]" in check_behaviour(lambda x: np.abs(np.tanh(x)), tile, 4, FILE)[0]
    with pytest.raises(CheckpointError, match="values from"):
        check_behaviour(lambda x: 127.5 * (x + 1), tile, 4, FILE)
    with pytest.raises(CheckpointError, match="values from"):
        check_behaviour(lambda x: x * np.float32(np.nan), tile, 4, FILE)
    with pytest.raises(CheckpointError, match="neighbours"):
        check_behaviour(lambda x: np.tanh(x - x.mean(axis=0, keepdims=True)), tile, 4, FILE)


def blurred(x: Tile) -> Tile:
    """A mean of 9 x 9 pixels, zeros outside: what comes in from the border."""
    padded = np.pad(x, ((0, 0), (0, 0), (4, 4), (4, 4)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (9, 9), axis=(2, 3))
    return np.asarray(windows.mean(axis=(4, 5)), dtype=np.float32)


def normed(x: Tile) -> Tile:
    y = blurred(x)
    z = (y - y.mean(axis=(2, 3), keepdims=True)) / (y.std(axis=(2, 3), keepdims=True) + np.float32(1e-5))
    return np.asarray(np.tanh(z), dtype=np.float32)


def counting(pixels: int) -> Translate:
    """A mean over the image by a number of pixels that is built in."""
    return lambda x: np.tanh(x - x.sum(axis=(2, 3), keepdims=True) / np.float32(pixels))


@pytest.mark.parametrize("multiple", [4, 32, 128, 512])
def test_borders_fade_with_the_size(multiple: int) -> None:
    for sound in (np.tanh, blurred, normed):
        assert check_sizes(sound, None, multiple, FILE) == ()
        assert "was exported for 96 x 64 px alone" in check_sizes(sound, (64, 96), multiple, FILE)[0]


@pytest.mark.parametrize("side", [64, 128, 256])
def test_a_size_that_is_built_in_does_not_fade(side: int) -> None:
    """Where the sides were fixed it is refused; else the network may depend on the size by intention."""
    with pytest.raises(CheckpointError, match="has that size built in") as caught:
        check_sizes(counting(side * side), (side, side), 4, FILE)
    assert "dynamic H and W" in caught.value.hint
    assert "is a size built in?" in check_sizes(counting(side * side), None, 4, FILE)[0]
