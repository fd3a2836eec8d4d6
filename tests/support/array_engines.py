"""Small engines for tests of chains: a function on arrays, NumPy's or CuPy's alike, in the shape of an `Engine`."""

from __future__ import annotations

from collections.abc import Callable

from augengine.chain.base import Translators
from augengine.engines.base import Array, check_batch

SIDE = 32

Function = Callable[[Array], Array]


class ArrayEngine:
    """Applies ``function`` to float32 (N, 3, height, width); counts the images it has seen in ``passes``."""

    def __init__(
        self, function: Function, *, height: int = SIDE, width: int = SIDE, batch: int = 3, device: str = "cpu"
    ) -> None:
        self.height, self.width, self.batch, self.device = height, width, batch, device
        self.passes = 0
        self._function = function

    def __call__(self, x_nchw: Array, out_nchw: Array, *, stream: int = 0) -> None:
        check_batch(len(x_nchw), self.batch)
        assert x_nchw.shape == out_nchw.shape == (len(x_nchw), 3, self.height, self.width)
        assert x_nchw.dtype == out_nchw.dtype == "float32"
        self.passes += len(x_nchw)
        out_nchw[...] = self._function(x_nchw)

    def close(self) -> None:
        pass


def pair(there: Function, back: Function, *, device: str = "cpu", batch: int = 3) -> Translators:
    """Two engines of `SIDE` x `SIDE`."""
    to_reference, from_reference = (ArrayEngine(f, device=device, batch=batch) for f in (there, back))
    return Translators(to_reference=to_reference, from_reference=from_reference)


def identity(x: Array) -> Array:
    """Its input."""
    return x


def swap_colours(x: Array) -> Array:
    """Red, green and blue become blue, red and green, a little paler."""
    return 0.8 * x[:, [2, 0, 1]] + 0.1


def blur(x: Array) -> Array:
    """The mean of a pixel and its four neighbours, around the borders."""
    total = x.copy()
    for axis in (2, 3):
        for step in (1, -1):
            total += _roll(x, step, axis)
    return total / 5


def shift_left(x: Array) -> Array:
    """Four columns to the left, around the border: it shows what was right of an image."""
    return _roll(x, -4, 3)


def _roll(x: Array, step: int, axis: int) -> Array:
    order = [(i - step) % x.shape[axis] for i in range(x.shape[axis])]
    return x[:, :, order] if axis == 2 else x[:, :, :, order]
