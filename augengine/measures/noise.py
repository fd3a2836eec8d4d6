"""What noise on A' does to the reconstruction, and to the markers in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augengine.draws.noise import FloatImage, add_noise
from augengine.errors import SpecError
from augengine.measures.cycles import Cycle, Translate, rms, to_rgb
from augengine.pictures.markers import MarkerMask, MarkerRule, dice, share


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderNoise:
    """What noise of one sigma does; Dice counts pixels summed over all tiles, and is None where nothing is marker.

    Attributes:
        sigma: Standard deviation of the noise on A', in units of the [-1, 1] range.
        response: Change of the reconstruction: the mean over tiles and draws of its root mean square.
        agreement: Dice between the markers of two draws.
        faithful: Dice between the markers of the real tile and of one draw.
        area: Share of marker pixels in that draw; where it grows, Dice grows by chance alone.
    """

    sigma: float
    response: float
    agreement: float | None
    faithful: float | None
    area: float

    def __post_init__(self) -> None:
        check_sigmas((self.sigma,))
        if not 0 <= self.response <= 2 or not 0 <= self.area <= 1:
            raise SpecError(f"a response is in [0, 2] and an area in [0, 1], got {self.response} and {self.area}")
        if any(value is not None and not 0 <= value <= 1 for value in (self.agreement, self.faithful)):
            raise SpecError(f"Dice is in [0, 1], got {self.agreement} and {self.faithful}")


def check_sigmas(sigmas: tuple[float, ...]) -> None:
    """Refuse sigmas that are not positive and ascending.

    Raises:
        SpecError: They are not.
    """
    if list(sigmas) != sorted(set(sigmas)) or (sigmas and not 0 < sigmas[0] <= sigmas[-1] <= 2):
        raise SpecError(
            f"sigmas must be ascending in (0, 2], got {sigmas}", hint="the paper's lie between 0.01 and 0.9"
        )


def draw(cycles: Sequence[Cycle], back: Translate, *, sigma: float, seed: int, variant: int) -> list[FloatImage]:
    """b' of every tile: A' with noise, translated back; one draw.

    Args:
        cycles: The tiles.
        back: The generator back.
        sigma: Standard deviation of the noise.
        seed: Root of every draw; keyed by the tile's key, as in `augment`.
        variant: Which draw, 1 ... K.
    """
    noisy = [np.empty_like(cycle.there) for cycle in cycles]
    for cycle, out in zip(cycles, noisy, strict=True):
        add_noise(cycle.there, out, sigma=sigma, seed=seed, key=cycle.key, variant=variant)
    return back(noisy)


def control(
    cycles: Sequence[Cycle], masks: Sequence[MarkerMask], rule: MarkerRule, sigma: float, *, seed: int
) -> UnderNoise:
    """The measures of `under_noise` with the noise on the reconstruction itself instead of on A'.

    They are what a pair that hides nothing in A' would show.
    """
    seen = [Cycle(key=cycle.key, real=cycle.real, there=cycle.back, back=cycle.back) for cycle in cycles]
    first, second = (draw(seen, list, sigma=sigma, seed=seed, variant=variant) for variant in (1, 2))
    return under_noise(seen, masks, (first, second), rule, sigma)


def under_noise(
    cycles: Sequence[Cycle],
    masks: Sequence[MarkerMask],
    draws: tuple[Sequence[FloatImage], Sequence[FloatImage]],
    rule: MarkerRule,
    sigma: float,
) -> UnderNoise:
    """Measure two draws of one sigma, as `draw` makes them, against the tiles they came from.

    Args:
        cycles: The tiles.
        masks: Where the real tiles have markers.
        draws: Two draws of each tile.
        rule: What counts as a marker.
        sigma: Standard deviation of the noise; only written down.
    """
    first, second = ([rule.mask(to_rgb(image)) for image in images] for images in draws)
    changes = [rms(image - cycle.back) for cycle, *pair in zip(cycles, *draws, strict=True) for image in pair]
    return UnderNoise(
        sigma=sigma,
        response=float(np.mean(changes)),
        agreement=dice(first, second),
        faithful=dice(masks, first),
        area=share(first),
    )
