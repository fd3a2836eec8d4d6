"""What the tests of chains ask for, and how they look at the answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augengine.chain.base import ChainSpec, Outcome, Request, Variants
from augengine.pictures.encode import encode_image
from augengine.spec import NoiseSpec
from tests.support.array_engines import SIDE

Image = NDArray[np.uint8]

VANISHING = 1e-7
SEED = 7


def picture(seed: int, height: int = SIDE, width: int = SIDE) -> Image:
    """Random pixels of full range."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def request(key: str, image: Image) -> Request:
    return Request(key=key, image=encode_image(image, "png"))


def requests(count: int) -> list[Request]:
    """Good images of several sizes."""
    return [request(f"k{i}", picture(i, SIDE - 5 * (i % 3), SIDE - 3 * (i % 2))) for i in range(count)]


def spec(*, eps: float = 0.2, variants: int = 2, batch: int = 4) -> ChainSpec:
    return ChainSpec(noise=NoiseSpec(eps=eps, seed=SEED), variants=variants, batch=batch)


def levels_apart(a: NDArray[np.generic], b: NDArray[np.generic]) -> int:
    """The largest difference in grey levels."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max())


def images_of(outcome: Outcome) -> Image:
    assert isinstance(outcome, Variants), outcome
    return outcome.images_khwc
