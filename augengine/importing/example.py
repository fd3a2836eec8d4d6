"""A picture before and after, by the user's own code: what vouches for a reading of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from augengine.chain.translate import normalise, quantise
from augengine.errors import CheckpointError, ContentError, SourceError
from augengine.importing.export import Tile, Translate
from augengine.importing.request import Fit
from augengine.pictures.arrays import RgbImage
from augengine.pictures.images import Decoder
from augengine.pictures.jpeg import encode_like
from augengine.spec import MIN_SIDE

MAX_SIDE = 1024
"""Longest side of an example, in pixels: every reading is run on the whole picture."""

MAX_ERROR = 4.0
"""Mean difference in grey levels up to which a reading fits: what a lossy encoder costs tissue. JPEGs are compared
after the same compression, so that their cost drops out."""

CHECK_PICTURES = "check that the two pictures belong together, are RGB, and were made in eval mode"

_ALIKE = 1.1
_ALIKE_GREY_LEVELS = 0.1

Reading = TypeVar("Reading")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Both pictures.

    Attributes:
        before_nchw: float32 (1, 3, H, W) in [-1, 1].
        after_hwc: uint8 (H, W, 3).
        after_file: The second picture's bytes, which tell how it was compressed.
        name: The second picture's file, for people.
    """

    before_nchw: Tile
    after_hwc: RgbImage
    after_file: bytes
    name: str

    def difference(self, y_nchw: Tile) -> float:
        """Mean absolute difference of an output from the second picture, in grey levels; infinite if not finite."""
        if y_nchw.shape != self.before_nchw.shape or not np.isfinite(y_nchw).all():
            return float("inf")
        made = quantise(y_nchw)[0]
        if (compressed := encode_like(made, self.after_file)) is not None:
            made = _decoded(compressed, Path(self.name))
        return float(np.abs(made.astype(np.float32) - self.after_hwc.astype(np.float32)).mean())


def read_example(files: tuple[Path, Path], multiple: int) -> Example:
    """Both pictures of an example.

    Args:
        files: Before and after.
        multiple: What the generator's sides are multiples of.

    Raises:
        SourceError: A picture that cannot be read, or two that do not belong together.
    """
    data = [_bytes_of(file) for file in files]
    before, after = (_decoded(each, file) for each, file in zip(data, files, strict=True))
    height, width = before.shape[:2]
    if before.shape != after.shape:
        raise SourceError(
            f"{files[0]} is {width} x {height} px, {files[1]} {after.shape[1]} x {after.shape[0]}: a generator "
            "gives images of the size it takes",
            hint="give the very pixels that the network took, after all cropping and scaling",
        )
    if height % multiple or width % multiple or min(height, width) < MIN_SIDE:
        raise SourceError(
            f"{files[0]} is {width} x {height} px, this generator takes multiples of {multiple} from {MIN_SIDE} px up",
            hint="run your own code on a picture of such a size",
        )
    return Example(before_nchw=normalise([before]), after_hwc=after, after_file=data[1], name=str(files[1]))


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {file}: {error.strerror}", hint="--example names two pictures") from error


def _decoded(data: bytes, file: Path) -> RgbImage:
    (image,) = Decoder(threads=1, max_side=MAX_SIDE).decode([data])
    if isinstance(image, ContentError):
        raise SourceError(f"{file}: {image.message}", hint=image.hint or "save it as an 8-bit RGB PNG")
    return image


def pick_reading(
    example: Example, readings: Iterable[tuple[str, Reading, Callable[[], Translate]]], hint: str
) -> tuple[Reading, Fit]:
    """The reading that agrees with an example.

    Args:
        example: The pictures.
        readings: What each says, the reading itself, and what makes its translation; the plain one first.
        hint: What to try before anything else if none fits.

    Returns:
        The first of those that fit best, and how well it does.

    Raises:
        CheckpointError: None fits.
    """
    tried = [(_error(example, make), says, reading) for says, reading, make in readings]
    best = min(error for error, _, _ in tried)
    if not best <= MAX_ERROR:
        nearest = min(tried, key=lambda each: each[0])[1]
        raise CheckpointError(
            f"none of {len(tried)} readings gives {example.name}: the nearest, {nearest}, {misfit(best)}",
            hint=f"{hint}; or export it as ONNX, which holds the whole network; {CHECK_PICTURES}",
        )
    bound = best * _ALIKE + _ALIKE_GREY_LEVELS
    fitting = [each for each in tried if each[0] <= bound]
    error, says, reading = fitting[0]
    alike = tuple((other, theirs) for theirs, other, _ in fitting[1:])
    return reading, Fit(error=error, reading=says, alike=alike)


def _error(example: Example, make: Callable[[], Translate]) -> float:
    try:
        return example.difference(make()(example.before_nchw))
    except CheckpointError:
        return float("inf")


def misfit(error: float) -> str:
    """The end of a sentence that says how far too far an output is from an example."""
    return f"differs by {error:.3g} grey levels in the mean, accepted are {MAX_ERROR:g}"
