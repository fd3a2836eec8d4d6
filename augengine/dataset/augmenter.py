"""A stain's augmentation as a function of images in memory: `Augmenter`, the door for Python."""

from __future__ import annotations

import ctypes
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np

from augengine.dataset.open_shuffle import Shuffler
from augengine.dataset.opened import Opened, Opener
from augengine.dataset.pair_source import PairSource
from augengine.digests import bytes_digest
from augengine.draws.noise import FloatImage
from augengine.errors import ContentError, SpecError
from augengine.pictures.arrays import RgbImage
from augengine.spec import BackendName, Method, NoiseSpec, Precision

MAX_OPEN = 4
"""Sizes of images whose engines are held; of more, the one that was used longest ago is closed."""

Images = Sequence[RgbImage]


class Augmenter:
    """Augments images in memory, with the very noise of `augengine augment`.

    The engines for a size of images are compiled and loaded when the first of that size comes; a `with` block closes
    them. One thread at a time may call it.

    Args:
        stain: The images' stain: its name, or a TOML file.
        method: ``stain`` for noise by way of the reference stain. ``shuffle`` moves the markers by colour
            deconvolution: it takes ``marker_threshold`` and ``seed``, and none of the options below.
        marker_threshold: Chromogen concentration from which on a pixel is marker, for the method ``shuffle``.
        eps: Upper bound of the noise's standard deviation, in units of the [-1, 1] range; None takes the stain's own.
        weights: Folder of generators; None searches where `augment` does.
        precision: Precision inside the generators; None takes the fastest within the noise budget.
        seed: Root of every draw.
        threads: CPU threads; None takes all that this process may use.
        backend: What runs the generators.
        note: Told in a line what takes a while.

    Raises:
        StainError, WeightsError: No such stain or generators.
        SpecError: eps out of range, or unknown for this stain.
    """

    def __init__(
        self,
        stain: str,
        *,
        method: Method = "stain",
        marker_threshold: float | None = None,
        eps: float | None = None,
        weights: str | Path | None = None,
        precision: Precision | None = None,
        seed: int = 0,
        threads: int | None = None,
        backend: BackendName = "auto",
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        folder = None if weights is None else Path(weights)
        self._source: Opener
        if method == "shuffle":
            _refuse(eps=eps, weights=weights, precision=precision, backend=None if backend == "auto" else backend)
            self._source = Shuffler.find(stain, threshold=marker_threshold, seed=seed)
        else:
            _refuse_other_method(method, marker_threshold)
            self._source = PairSource.find(
                stain,
                eps=eps,
                seed=seed,
                weights=folder,
                precision=precision,
                backend=backend,
                threads=threads,
                note=note,
            )
        self._open: OrderedDict[tuple[int, int], Opened] = OrderedDict()
        self._opened_in = os.getpid()

    @property
    def eps(self) -> float:
        """Upper bound of the noise's standard deviation; 0 where markers are shuffled."""
        return self._source.eps

    def __repr__(self) -> str:
        return f"Augmenter({self._source.in_words()})"

    @overload
    def __call__(
        self, image: RgbImage, variants: int = 1, key: str | None = None, sigma: float | None = None
    ) -> RgbImage: ...
    @overload
    def __call__(
        self, image: Images, variants: int = 1, key: Sequence[str] | None = None, sigma: float | None = None
    ) -> list[RgbImage]: ...
    def __call__(self, image: Any, variants: int = 1, key: Any = None, sigma: float | None = None) -> Any:
        """Variants of an image, or of each of several.

        Args:
            image: uint8 (H, W, 3) in RGB, or a sequence of them. Their um/px should be those of the generators' card.
            variants: How many, 1 to 9999.
            key: The key that the noise is drawn for, or one for each image. With the key of a sample in a dataset, and
                its seed, eps, precision and size of engines, the pixels are those that `augengine augment` writes. By
                default a digest of the pixels.
            sigma: Standard deviation of the noise, in units of [-1, 1]; None draws one from (0, eps] per variant.

        Returns:
            uint8 (variants, H, W, 3), or a list of these.

        Raises:
            SpecError: Something that is no image, or values out of range.
            ContentError: An image that the generators cannot take.
        """
        if not 1 <= variants <= 9999:
            raise SpecError(f"variants must be 1 ... 9999, got {variants}", hint="variants=4 is a good start")
        if sigma is not None:
            NoiseSpec(eps=sigma)  # it knows which are allowed
        images, one = _images(image)
        keys = _keys(images, key, one=one)
        made = [self._vary(pixels, name, variants, sigma) for pixels, name in zip(images, keys, strict=True)]
        return made[0] if one else made

    def to_reference(self, image: RgbImage) -> FloatImage:
        """The intermediate translation A' of an image, float32 (3, H, W), nominally in [-1, 1] and never clamped.

        Args:
            image: uint8 (H, W, 3) in RGB.
        """
        (pixels,), _ = _images(image)
        return self.pair_for(pixels).to_reference(pixels)

    def reconstruct(self, image: RgbImage) -> RgbImage:
        """An image translated there and back without noise; uint8 (H, W, 3) of a uint8 (H, W, 3) image in RGB."""
        (pixels,), _ = _images(image)
        return self.pair_for(pixels).reconstruct(pixels)

    def close(self) -> None:
        """Release the engines; it may be used again, and loads them anew."""
        self._forget_what_a_fork_left()
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _vary(self, pixels: RgbImage, key: str, variants: int, sigma: float | None) -> RgbImage:
        made = self.pair_for(pixels).vary(pixels, key, variants, sigma)
        if isinstance(made, str):
            raise ContentError(f"the image cannot be augmented: {made}", hint="is it 8-bit RGB of tissue?")
        return made

    def _forget_what_a_fork_left(self) -> None:
        """In a forked process, drop what the parent had open: its threads are not here, so to use or free it hangs."""
        if self._opened_in != os.getpid():
            # Never freed, not even when Python ends: its count never comes to nothing.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._open))
            self._open, self._opened_in = OrderedDict(), os.getpid()

    def pair_for(self, pixels: RgbImage) -> Opened:
        """Return what is open for images of this size, and open it first where nothing is."""
        self._forget_what_a_fork_left()
        size = self._source.size_for(pixels)
        if size not in self._open:
            self._open[size] = self._source.open(size)
        self._open.move_to_end(size)
        while len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)[1].close()
        return self._open[size]


def _refuse(**unread: object) -> None:
    """Refuse options that shuffled markers have no use for."""
    for name, value in unread.items():
        if value is not None:
            raise SpecError(f"method='shuffle' has no use for {name}", hint=f"leave out {name}")


def _refuse_other_method(method: str, marker_threshold: float | None) -> None:
    if method != "stain":
        raise SpecError(f"unknown method {method!r}", hint="method='stain' or method='shuffle'")
    if marker_threshold is not None:
        raise SpecError("marker_threshold is for method='shuffle'", hint="leave out marker_threshold")


def _images(image: Any) -> tuple[list[RgbImage], bool]:
    """The images, and whether it was one alone."""
    one = not isinstance(image, list | tuple)
    images = [np.ascontiguousarray(each) for each in ([image] if one else image)]
    for pixels in images:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            said = f"an image is uint8 (H, W, 3) in RGB, got {pixels.dtype} {pixels.shape}"
            raise SpecError(said, hint="np.asarray(picture.convert('RGB')) of a Pillow image is one")
    return images, one


def _keys(images: Images, key: Any, *, one: bool) -> list[str]:
    if key is None:
        return [bytes_digest(repr(pixels.shape).encode() + pixels.tobytes()) for pixels in images]
    keys = [key] if one else list(key)
    if len(keys) != len(images) or not all(isinstance(each, str) and each for each in keys):
        raise SpecError(f"each image has one key, a text; got {key!r} for {len(images)}", hint="leave out key")
    return keys
