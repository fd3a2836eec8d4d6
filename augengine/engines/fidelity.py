"""The noise budget: how large the error of a low precision is, as the noise that would do as much.

The augmentation adds noise to A' anyway. An engine whose error equals noise of a sigma far below eps changes nothing
that matters; one whose error equals the whole eps would augment by accident. Both are measured on tiles, in float,
before anything is rounded to 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from augengine.draws.noise import add_noise
from augengine.engines.base import Engine
from augengine.engines.gpu_memory import load_cupy
from augengine.errors import EngineError, SpecError
from augengine.json_values import from_json
from augengine.spec import Precision

SIGMAS = (0.0025, 0.01, 0.05)
"""Where the response to noise is measured, in units of the [-1, 1] range."""

EPS_SHARE = 0.1
"""An engine is within the budget if its error equals noise of at most this share of eps."""

# A chain that passes on less than this share of the noise does not respond: its curve cannot measure an error.
_RESPONDS = 0.01

FloatBatch = NDArray[np.float32]


class Pair(Protocol):
    """The two engines of a stain."""

    @property
    def to_reference(self) -> Engine:
        """G_BA: the stain to its reference."""
        ...

    @property
    def from_reference(self) -> Engine:
        """G_AB: back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a pair of engines loses against float32; root mean squares in units of the [-1, 1] range.

    Infinity stands for "more than could be measured"; it is null in json.

    Attributes:
        precision: Precision of the engines that were measured.
        tiles: How many tiles it was measured on.
        height, width: Their size in pixels.
        surrogate: The tiles were not of this stain, but recoloured from another.
        error_a: Error of A', the intermediate translation.
        error_chain: Error of the whole chain without noise.
        error_chain_range: Its smallest and largest value over the tiles.
        sigmas: Where the response was measured, ascending.
        response: The float32 chain's change under noise of each sigma.
        equivalent_sigma: The sigma whose response is as large as ``error_chain``; infinite beyond the largest
            sigma measured, or if the chain does not respond to noise.
        equivalent_sigma_range: Its smallest and largest value over the tiles.
    """

    precision: Precision
    tiles: int
    height: int
    width: int
    surrogate: bool
    error_a: float
    error_chain: float
    error_chain_range: tuple[float, float]
    sigmas: tuple[float, ...]
    response: tuple[float, ...]
    equivalent_sigma: float
    equivalent_sigma_range: tuple[float, float]

    def __post_init__(self) -> None:
        if self.tiles < 1:
            raise SpecError("a noise budget needs at least one tile")
        if not self.sigmas or list(self.sigmas) != sorted(set(self.sigmas)) or self.sigmas[0] <= 0:
            raise SpecError(f"sigmas must be positive and ascending, got {self.sigmas}")
        if len(self.response) != len(self.sigmas):
            raise SpecError(f"{len(self.response)} responses to {len(self.sigmas)} sigmas")
        measured = (self.error_a, self.error_chain, self.equivalent_sigma, *self.response)
        if not all(value >= 0 for value in (*measured, *self.error_chain_range, *self.equivalent_sigma_range)):
            raise SpecError("a noise budget holds no negative value and no NaN")

    @property
    def responds(self) -> bool:
        """Whether the chain reacts to noise at all."""
        return self.response[-1] >= _RESPONDS * self.sigmas[-1]

    def fits(self, eps: float) -> bool:
        """Whether the error equals noise of at most a tenth of eps."""
        return self.equivalent_sigma <= EPS_SHARE * eps

    def verdict(self, eps: float) -> str:
        """The judgement in a sentence."""
        if not self.responds:
            return f"the pair hardly reacts to noise ({self.response[-1]:.1e} at sigma {self.sigmas[-1]}): float32 only"
        seen = f"equals noise of sigma {self.equivalent_sigma:.2g}"
        if math.isinf(self.equivalent_sigma):
            seen = f"is larger than noise of sigma {self.sigmas[-1]} makes"
        side = "within" if self.fits(eps) else "outside"
        return f"the error of {self.precision} {seen}: {side} the budget of {EPS_SHARE * eps:.2g} at eps {eps:g}"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            SpecError: Fields that are missing, unknown, of another type or out of range.
        """
        if not isinstance(data, Mapping):
            raise SpecError(f"a noise budget is an object of fields, got {type(data).__name__}")
        return from_json(cls, {name: _infinite(value) for name, value in data.items()})


class Judge:
    """Float32 engines on some tiles, which other engines of the same generators are measured against.

    Args:
        reference: float32 engines.
        tiles_nchw: float32 (T, 3, height, width) in [-1, 1], T >= 1, of the stain.
        sigmas: Standard deviations of the noise, ascending.
        seed: Random seed of the noise, which is keyed by the tile's index.
        surrogate: The tiles are recoloured from another stain; only written down.

    Raises:
        EngineError: The float32 engines give a non-finite value, or an engine fails.
        SpecError: No tile.
    """

    def __init__(
        self,
        reference: Pair,
        tiles_nchw: FloatBatch,
        *,
        sigmas: Sequence[float] = SIGMAS,
        seed: int = 0,
        surrogate: bool = False,
    ) -> None:
        if len(tiles_nchw) < 1:
            raise SpecError("a noise budget needs at least one tile", hint="give a source of real tiles with --tiles")
        self._tiles, self._sigmas, self._surrogate = tiles_nchw, tuple(sigmas), surrogate
        self._a, self._chain = _translate(reference, tiles_nchw)
        back = reference.from_reference
        self._response = [_rms(run_on_host(back, _noisy(self._a, sigma, seed)) - self._chain) for sigma in self._sigmas]
        if not np.isfinite([_rms(self._a), *self._response]).all():
            raise EngineError("the float32 engines give non-finite values", hint="the weights are damaged")

    @property
    def a_nchw(self) -> FloatBatch:
        """A' of the tiles in float32, (T, 3, height, width)."""
        return self._a

    def budget(self, candidate: Pair, precision: Precision) -> Budget:
        """What a pair of engines of the same size costs; ``precision`` is only written down.

        Raises:
            EngineError: An engine fails.
            SpecError: Sigmas that are not ascending.
        """
        a_low, chain_low = _translate(candidate, self._tiles)
        error_a, error = _rms(a_low - self._a), _rms(chain_low - self._chain)
        curves = zip(error.tolist(), np.stack(self._response, axis=1).tolist(), strict=True)
        by_tile = [equivalent_sigma(each, self._sigmas, curve) for each, curve in curves]
        pooled = tuple(_pool(column) for column in self._response)
        return Budget(
            precision=precision,
            tiles=len(self._tiles),
            height=int(self._tiles.shape[2]),
            width=int(self._tiles.shape[3]),
            surrogate=self._surrogate,
            error_a=_pool(error_a),
            error_chain=_pool(error),
            error_chain_range=(float(error.min()), float(error.max())),
            sigmas=self._sigmas,
            response=pooled,
            equivalent_sigma=equivalent_sigma(_pool(error), self._sigmas, pooled),
            equivalent_sigma_range=(min(by_tile), max(by_tile)),
        )


def equivalent_sigma(error: float, sigmas: Sequence[float], response: Sequence[float]) -> float:
    """The sigma whose response is as large as ``error``.

    Between the sigmas measured it is interpolated in both logarithms; below the smallest the response is taken
    to be in proportion to sigma. Where a curve falls, the larger sigma counts.

    Returns:
        0 for no error; infinity beyond the curve, or if the chain does not respond to noise.
    """
    if error == 0:
        return 0.0
    if response[-1] < _RESPONDS * sigmas[-1] or not error <= response[-1]:
        return math.inf
    curve = np.minimum.accumulate(np.asarray(response)[::-1])[::-1]
    if error <= curve[0]:
        return float(sigmas[0] * error / curve[0])
    curve = np.maximum(curve, np.finfo(np.float64).tiny)
    return float(np.exp(np.interp(np.log(error), np.log(curve), np.log(np.asarray(sigmas)))))


def _translate(pair: Pair, tiles_nchw: FloatBatch) -> tuple[FloatBatch, FloatBatch]:
    a_nchw = run_on_host(pair.to_reference, tiles_nchw)
    return a_nchw, run_on_host(pair.from_reference, a_nchw)


def run_on_host(engine: Engine, x_nchw: FloatBatch) -> FloatBatch:
    """Run an engine of any device on arrays in main memory, at most its batch at a time.

    Raises:
        BackendUnavailable: The engine is on a GPU, and CuPy is missing.
        EngineError: The engine raised it.
    """
    out = np.empty_like(x_nchw)
    for start in range(0, len(x_nchw), engine.batch):
        part = slice(start, start + engine.batch)
        if engine.device == "cpu":
            engine(np.ascontiguousarray(x_nchw[part]), out[part])
        else:
            out[part] = _run_on_gpu(engine, x_nchw[part])
    return out


def _run_on_gpu(engine: Engine, x_nchw: FloatBatch) -> FloatBatch:
    # Not yet run on a GPU.
    cupy = load_cupy()
    x = cupy.asarray(x_nchw)
    out = cupy.empty_like(x)
    engine(x, out, stream=cupy.cuda.get_current_stream().ptr)
    host: FloatBatch = cupy.asnumpy(out)
    return host


def _noisy(a_nchw: FloatBatch, sigma: float, seed: int) -> FloatBatch:
    out = np.empty_like(a_nchw)
    for index, tile in enumerate(a_nchw):
        # One draw for all sigmas, so that the curve is smooth.
        add_noise(tile, out[index], sigma=sigma, seed=seed, key=f"tile-{index}", variant=1)
    return out


def _rms(difference_nchw: FloatBatch) -> NDArray[np.float64]:
    """Root mean square of each tile; infinite where a value is not finite."""
    squares = np.square(difference_nchw, dtype=np.float64).mean(axis=(1, 2, 3))
    return np.sqrt(np.where(np.isfinite(squares), squares, np.inf))


def _pool(rms: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(rms))))


def _infinite(value: Any) -> Any:
    """Json has no infinity: null stands for it, alone or in a list."""
    if isinstance(value, list):
        return [math.inf if item is None else item for item in value]
    return math.inf if value is None else value
