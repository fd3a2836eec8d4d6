"""What every chain does around its engines: decode, pad and draw before, crop after; the rules of `put` and `get`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from augengine.chain.base import ChainSpec, Outcome, Request, Translators, Variants
from augengine.draws.noise import GaussianNoise
from augengine.errors import ChainError, ContentError, SpecError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.images import Decoder
from augengine.sample import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One good request, ready for the engines.

    Attributes:
        key: The source's key.
        frame_hwc: uint8, the decoded image reflect-padded right and bottom to the engines' size.
        height, width: The image's own size, in pixels.
        key_words: uint32 (2,), the sample's Philox key, low word first.
        sigmas: The K standard deviations drawn, in units of [-1, 1].
    """

    key: str
    frame_hwc: RgbImage
    height: int
    width: int
    key_words: NDArray[np.uint32]
    sigmas: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """The requests of one `put`, in order: what can be translated, and what failed already."""

    slots: tuple[Item | Failure, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """The good ones, in order; the rows of the arrays that the engines see."""
        return tuple(slot for slot in self.slots if isinstance(slot, Item))

    def frames_nhwc(self) -> list[RgbImage]:
        """The padded images."""
        return [item.frame_hwc for item in self.items]

    def key_words(self) -> list[NDArray[np.uint32]]:
        """The Philox keys, (2,) each."""
        return [item.key_words for item in self.items]

    def sigmas(self) -> list[NDArray[np.float32]]:
        """The standard deviations, (K,) each."""
        return [np.array(item.sigmas, dtype=np.float32) for item in self.items]

    def outcomes(self, images: Sequence[RgbImage], finite: Sequence[bool]) -> list[Outcome]:
        """One outcome a request.

        Args:
            images: For each good item uint8 (K, height, width, 3) in the engines' size; copied, never kept.
            finite: For each good item whether both engines gave finite numbers for it.
        """
        rows = iter(zip(images, finite, strict=True))
        return [slot if isinstance(slot, Failure) else _outcome(slot, *next(rows)) for slot in self.slots]


def _outcome(item: Item, images_khwc: RgbImage, finite: bool) -> Outcome:
    if not finite:
        return Failure(item.key, "the generators gave numbers that are not finite for this image")
    cropped = images_khwc[:, : item.height, : item.width].copy()
    return Variants(key=item.key, images_khwc=cropped, sigmas=item.sigmas)


class Preparation:
    """Turns requests into a `Batch`: decoded, checked, padded, with their noise drawn.

    Args:
        translators: Whose size the images are padded to.
        spec: Noise, K, and threads for decoding.
    """

    def __init__(self, translators: Translators, spec: ChainSpec) -> None:
        self._height, self._width = translators.height, translators.width
        self._noise, self._variants = GaussianNoise(spec.noise), spec.variants
        self._decoder = Decoder(threads=spec.threads, max_side=max(self._height, self._width))

    def __call__(self, requests: Sequence[Request]) -> Batch:
        """Decode and pad; a bad image becomes a `Failure` in its slot."""
        decoded = self._decoder.decode([request.image for request in requests])
        return Batch(tuple(self._slot(request.key, image) for request, image in zip(requests, decoded, strict=True)))

    def _slot(self, key: str, image: RgbImage | ContentError) -> Item | Failure:
        if isinstance(image, ContentError):
            return Failure(key, image.message)
        height, width = image.shape[:2]
        if height > self._height or width > self._width:
            size = f"the image is {width} x {height} px, the engines take at most {self._width} x {self._height}"
            return Failure(key, f"{size}; cut it into tiles with `augengine tile`")
        return Item(
            key=key,
            frame_hwc=pad_to(image, self._height, self._width),
            height=height,
            width=width,
            key_words=key_words(self._noise.philox_key(key)),
            sigmas=tuple(self._sigmas(key)),
        )

    def _sigmas(self, key: str) -> Iterator[float]:
        for variant in range(1, self._variants + 1):
            yield self._noise.sigma(key, variant)


def pad_to(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Reflect-pad (H, W, ...) right and bottom, again and again where the padding is wider than the image."""
    rows, columns = height - pixels.shape[0], width - pixels.shape[1]
    if not rows and not columns:
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, rows), (0, columns), *[(0, 0)] * (pixels.ndim - 2)), mode="reflect")


def key_words(philox_key: int) -> NDArray[np.uint32]:
    """A 64-bit Philox key as two words, the low one first."""
    return np.array([philox_key & 0xFFFFFFFF, philox_key >> 32], dtype=np.uint32)


HeldT = TypeVar("HeldT")


class Turnstile(Generic[HeldT]):
    """The rules of `put` and `get`: batch size, depth, order, and no use after an error or `close`.

    It holds what a chain keeps of each batch that is under way.

    Args:
        batch: The most requests of one `put`.
        depth: How many batches may be under way.
    """

    def __init__(self, batch: int, depth: int) -> None:
        self._batch, self._depth = batch, depth
        self._waiting: list[HeldT] = []
        self._shut = ""

    @property
    def waiting(self) -> int:
        """How many batches are under way."""
        return len(self._waiting)

    def check(self, requests: Sequence[Request]) -> None:
        """Raise unless these requests may be put now."""
        self._check_open()
        if not 1 <= len(requests) <= self._batch:
            raise SpecError(f"{len(requests)} requests in a batch, the chain takes 1 ... {self._batch}")
        if len(self._waiting) == self._depth:
            raise ChainError(f"{self._depth} batches are under way, the most this chain takes", hint="call get() first")

    def enter(self, batch: HeldT) -> None:
        """Note a batch that was started."""
        self._waiting.append(batch)

    def leave(self) -> HeldT:
        """The oldest batch under way."""
        self._check_open()
        if not self._waiting:
            raise ChainError("no batch is under way", hint="call put() first")
        return self._waiting.pop(0)

    def shut(self, reason: str) -> None:
        """Refuse everything from now on; the first reason stays."""
        self._shut = self._shut or reason
        self._waiting.clear()

    def _check_open(self) -> None:
        if self._shut:
            raise ChainError(f"the chain cannot be used: {self._shut}", hint="make a new one")
