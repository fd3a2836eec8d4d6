"""The seam: what a chain is. Encoded images in, variants out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from augengine.engines.base import Engine
from augengine.errors import SpecError
from augengine.sample import Failure
from augengine.spec import NoiseSpec

ChainName = Literal["dali", "plain"]
"""DALI's graph, or plain arrays, which it is held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One source image to make variants of: its key, and the image as encoded bytes."""

    key: str
    image: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """The variants of one source image.

    Attributes:
        key: The source's key.
        images_khwc: uint8 (K, H, W, 3) in the source's own size; row k is variant k + 1.
        sigmas: The K standard deviations drawn, in units of [-1, 1].
    """

    key: str
    images_khwc: NDArray[np.uint8]
    sigmas: tuple[float, ...]


Outcome = Variants | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Translators:
    """The two engines of a stain, of one size and device."""

    to_reference: Engine
    from_reference: Engine

    def __post_init__(self) -> None:
        there, back = ((e.height, e.width, e.device) for e in (self.to_reference, self.from_reference))
        if there != back:
            raise SpecError(f"the two engines differ in height, width or device: {there} and {back}")

    def close(self) -> None:
        """Release both engines."""
        self.to_reference.close()
        self.from_reference.close()

    @property
    def height(self) -> int:
        """The engines' static height, in pixels."""
        return self.to_reference.height

    @property
    def width(self) -> int:
        """The engines' static width, in pixels."""
        return self.to_reference.width

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.to_reference.device


class Chain(Protocol):
    """decode -> [-1, 1] -> G_BA -> A' (float) -> + N(0, sigma) -> G_AB -> 8-bit, batch after batch.

    A batch that was put comes back from `get` whole and in order: one outcome a request. It writes no files
    and knows no shards. A result depends on the request alone, never on its batch.

    Attributes:
        batch: The most requests of one `put`.
        depth: How many batches may be under way at once; `put` beyond it is an error.
    """

    batch: int
    depth: int

    def put(self, requests: Sequence[Request]) -> None:
        """Start a batch of 1 ... ``batch`` requests."""
        ...

    def get(self) -> list[Outcome]:
        """Wait for the oldest batch. A bad image is a `Failure` beside its neighbours' `Variants`.

        Raises:
            EngineError, ChainError: The batch failed for another reason than a sample's content; the chain
                cannot be used further.
        """
        ...

    def close(self) -> None:
        """Release engines' buffers and threads; batches under way are dropped."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSpec:
    """What a chain needs besides its engines.

    Attributes:
        noise: eps and seed.
        variants: K.
        batch: Source images per batch.
        threads: CPU threads for decoding.
    """

    noise: NoiseSpec
    variants: int
    batch: int = 4
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("variants", "batch", "threads"):
            if (value := getattr(self, name)) < 1:
                raise SpecError(f"{name} must be at least 1, got {value}")
