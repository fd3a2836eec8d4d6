"""Markers of images in memory shuffled: what `Augmenter` does without generators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from augengine.chain.base import Variants
from augengine.chain.shuffle import rule_of, shuffle_markers
from augengine.draws.noise import FloatImage
from augengine.errors import SpecError
from augengine.pictures.arrays import RgbImage
from augengine.spec import ShuffleSpec
from augengine.weights.home import find_own_stain


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffler:
    """Both `Opener` and `Opened`: there is nothing to load.

    Attributes:
        stain: Name of the images' stain.
        spec: What counts as a marker, and the seed.
    """

    stain: str
    spec: ShuffleSpec

    @classmethod
    def find(cls, stain: str, *, threshold: float | None, seed: int) -> Self:
        """The shuffler of a stain.

        Raises:
            StainError: No such stain.
            SpecError: No threshold, or one that is no concentration.
        """
        own = find_own_stain(stain)
        if threshold is None:
            hint = "marker_threshold=0.04, say; `augengine probe` and `augengine augment --method shuffle` print one"
            raise SpecError("to shuffle markers of single images takes a marker threshold", hint=hint)
        spec = ShuffleSpec(threshold=threshold, counterstain=own.counterstain, chromogen=own.chromogen, seed=seed)
        return cls(stain=own.name, spec=spec)

    @property
    def eps(self) -> float:
        """There is no noise."""
        return 0.0

    def in_words(self) -> str:
        """What it is, for a `repr`."""
        return f"{self.stain!r}, method='shuffle', marker_threshold={self.spec.threshold:g}, seed={self.spec.seed}"

    def size_for(self, image_hwc: RgbImage) -> tuple[int, int]:  # noqa: ARG002 - the seam's
        """One serves images of every size."""
        return 0, 0

    def open(self, size: tuple[int, int]) -> Self:  # noqa: ARG002 - the seam's
        """Itself."""
        return self

    def vary(self, image_hwc: RgbImage, key: str, variants: int, sigma: float | None) -> RgbImage | str:
        """Variants of an image, uint8 (K, H, W, 3), or why there are none."""
        if sigma is not None:
            raise SpecError("to shuffle markers takes no sigma", hint="leave out sigma, or method='shuffle'")
        made = shuffle_markers((key, image_hwc), rule=rule_of(self.spec), seed=self.spec.seed, variants=variants)
        return made.images_khwc if isinstance(made, Variants) else made.reason

    def to_reference(self, image_hwc: RgbImage) -> FloatImage:  # noqa: ARG002 - the seam's
        """Refused: nothing is translated."""
        raise _untranslated()

    def reconstruct(self, image_hwc: RgbImage) -> RgbImage:  # noqa: ARG002 - the seam's
        """Refused: nothing is translated."""
        raise _untranslated()

    def close(self) -> None:
        """Nothing was loaded."""


def _untranslated() -> SpecError:
    return SpecError("shuffled markers go by way of no other stain", hint="leave out method='shuffle'")
