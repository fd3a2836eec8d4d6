"""The seam below `Augmenter`: what is opened for images of one size, and what opens it."""

from __future__ import annotations

from typing import Protocol

from augengine.draws.noise import FloatImage
from augengine.pictures.arrays import RgbImage


class Opened(Protocol):
    """What makes variants of images of one size; loaded."""

    def vary(self, image_hwc: RgbImage, key: str, variants: int, sigma: float | None) -> RgbImage | str:
        """Variants of an image, uint8 (K, H, W, 3), or why there are none."""
        ...

    def to_reference(self, image_hwc: RgbImage) -> FloatImage:
        """A', float32 (3, H, W)."""
        ...

    def reconstruct(self, image_hwc: RgbImage) -> RgbImage:
        """There and back without noise, uint8 (H, W, 3)."""
        ...

    def close(self) -> None:
        """Release what was loaded."""
        ...


class Opener(Protocol):
    """Opens what an image needs."""

    @property
    def eps(self) -> float:
        """Upper bound of the noise's standard deviation; 0 without noise."""
        ...

    def size_for(self, image_hwc: RgbImage) -> tuple[int, int]:
        """Height and width of what holds an image."""
        ...

    def open(self, size: tuple[int, int]) -> Opened:
        """Load what holds images of this height and width."""
        ...

    def in_words(self) -> str:
        """What it opens, for a `repr`."""
        ...
