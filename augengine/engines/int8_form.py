"""Which convolutions of a generator run in int8, and the range of what goes into each."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self

from augengine.errors import SpecError
from augengine.spec import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Convolution:
    """One convolution.

    Attributes:
        weight: Name of its weight in the ONNX file, ``model.10.conv_block.1.weight``.
        peaks: For each input channel the magnitude that becomes the largest integer; larger ones are clipped.
    """

    weight: str
    peaks: tuple[float, ...]

    @property
    def block(self) -> str:
        """Name of its residual block, ``model.10``."""
        return self.weight.partition(".conv_block.")[0]

    def __post_init__(self) -> None:
        if not self.peaks or not all(math.isfinite(peak) and peak > 0 for peak in self.peaks):
            raise SpecError(f"every input channel of {self.weight} needs a positive peak")


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Form:
    """The convolutions of one generator that run in int8, in its order.

    Attributes:
        convolutions: At least one, each of another weight.
        others: Precision of everything else.
    """

    convolutions: tuple[Int8Convolution, ...]
    others: Precision

    def __post_init__(self) -> None:
        names = [each.weight for each in self.convolutions]
        if not names or len(set(names)) != len(names):
            raise SpecError(f"int8 needs convolutions of different weights, got {names}")

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the residual blocks, in the generator's order: ``model.10``."""
        return tuple(dict.fromkeys(each.block for each in self.convolutions))

    def of_blocks(self, blocks: Collection[str]) -> Self | None:
        """The form with the convolutions of those blocks alone; None if there is none."""
        return self.only({each.weight for each in self.convolutions if each.block in blocks})

    def only(self, weights: Collection[str]) -> Self | None:
        """The form with those convolutions alone; None if none of them is in it."""
        kept = tuple(each for each in self.convolutions if each.weight in weights)
        return replace(self, convolutions=kept) if kept else None
