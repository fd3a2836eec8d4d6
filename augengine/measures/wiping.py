"""What is lost when the code in A' is wiped: rounded to 8 bits, compressed, blurred."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.chain.translate import normalise
from augengine.draws.noise import FloatImage
from augengine.errors import SpecError
from augengine.measures.cycles import Cycle, Translate, rms, to_rgb
from augengine.pictures.encode import jpeg_round_trip
from augengine.pictures.markers import MarkerMask, MarkerRule, dice


@dataclass(frozen=True, slots=True, kw_only=True)
class Wipes:
    """How A' is wiped.

    Attributes:
        jpeg_quality: Quality of the JPEG, 1 ... 100; 75 is what most programs write when nothing is said.
        blur_px: Standard deviation of the Gaussian blur, pixels; 1 leaves 29 % of the amplitude at a quarter of a
            cycle a pixel and 1 % at half a cycle, where such codes lie, while nuclei stay.
    """

    jpeg_quality: int = 75
    blur_px: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.jpeg_quality <= 100:
            raise SpecError(f"a JPEG's quality is 1 ... 100, got {self.jpeg_quality}", hint="--jpeg-quality 75")
        if not 0 < self.blur_px <= 32:
            raise SpecError(f"the blur is in (0, 32] pixels, got {self.blur_px}", hint="--blur 1")

    def named(self) -> dict[str, Callable[[FloatImage], FloatImage]]:
        """Each by a name for people, as a function of one float32 (3, H, W) image."""
        return {
            "8 bits": lambda image: _of_rgb(to_rgb(image)),
            f"JPEG, quality {self.jpeg_quality}": lambda image: _of_rgb(
                jpeg_round_trip(to_rgb(image), self.jpeg_quality)
            ),
            f"blur, {self.blur_px:g} px": lambda image: _blur(image, self.blur_px),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiped:
    """What one way of wiping A' costs the reconstruction.

    Attributes:
        name: The way, for people.
        lost: Error of the reconstruction after wiping minus that without, the mean over tiles of root mean squares.
        change: How far the two reconstructions are apart, likewise.
        marker_dice: Dice of the markers of the real tiles and of the reconstruction after wiping.
    """

    name: str
    lost: float
    change: float
    marker_dice: float | None


def wipe(
    cycles: Sequence[Cycle], masks: Sequence[MarkerMask], back: Translate, rule: MarkerRule, wipes: Wipes
) -> list[Wiped]:
    """Wipe A' in each way and translate it back.

    Args:
        cycles: The tiles.
        masks: Where the real tiles have markers.
        back: The generator back.
        rule: What counts as a marker.
        wipes: How.
    """
    return [_wiped(name, way, cycles, masks, back, rule) for name, way in wipes.named().items()]


def _wiped(
    name: str,
    way: Callable[[FloatImage], FloatImage],
    cycles: Sequence[Cycle],
    masks: Sequence[MarkerMask],
    back: Translate,
    rule: MarkerRule,
) -> Wiped:
    made = back([way(cycle.there) for cycle in cycles])
    pairs = list(zip(cycles, made, strict=True))
    return Wiped(
        name=name,
        lost=float(np.mean([rms(image - cycle.real) - rms(cycle.back - cycle.real) for cycle, image in pairs])),
        change=float(np.mean([rms(image - cycle.back) for cycle, image in pairs])),
        marker_dice=dice(masks, [rule.mask(to_rgb(image)) for image in made]),
    )


def _of_rgb(rgb_hwc: NDArray[np.uint8]) -> FloatImage:
    image: FloatImage = normalise([rgb_hwc])[0]
    return image


def _blur(image_chw: FloatImage, sigma_px: float) -> FloatImage:
    from skimage.filters import gaussian  # 0.3 s, and only wiping needs it

    blurred: FloatImage = gaussian(image_chw, sigma_px, mode="reflect", channel_axis=0)  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(blurred, dtype=np.float32)
