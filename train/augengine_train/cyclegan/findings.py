"""The paper's findings as numbers, on fields whose markers are known: are they hidden, and does noise move them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from augengine.errors import SourceError
from augengine.json_values import to_json
from augengine.measures import draw, run_cycles, structure, to_rgb
from augengine.pictures.arrays import RgbImage
from augengine.pictures.markers import MarkerMask, derive_threshold, dice, marker_mask
from augengine.stains import Stain
from augengine_train.validate import Validation, measure
from augengine_train.validate.tiles import as_translate, to_input

SIGMAS = (0.01, 0.05, 0.2)
MIN_DICE, LOW, HIGH, MAX_AGREEMENT = 0.8, 0.01, 0.2, 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownField:
    """A field and where its markers are: uint8 (H, W, 3) and bool (H, W)."""

    image: RgbImage
    markers: MarkerMask


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a pair does to fields whose markers are known.

    Attributes:
        validation: Everything that needs no truth, see `Validation`.
        truth_real: Dice of the true markers and those that colour deconvolution finds in b: as good as it gets.
        truth_cycled: The same for the reconstruction without noise.
        truth_noisy: The same under noise of each sigma.
        ssim_cycled: Structural similarity of b's haematoxylin and the reconstruction's, without noise.
        ssim_noisy: The same under noise of each sigma.
    """

    validation: Validation
    truth_real: float | None
    truth_cycled: float | None
    truth_noisy: tuple[float | None, ...]
    ssim_cycled: float
    ssim_noisy: tuple[float, ...]

    @property
    def hides(self) -> bool:
        """Whether the reconstruction has b's markers: they are in A', seen or not."""
        return (self.validation.marker_dice or 0) >= MIN_DICE

    @property
    def responds(self) -> bool:
        """Whether noise moves them: two draws at sigma 0.2 agree at most half as much as at 0.01."""
        at = dict(zip(self.validation.sigmas, self.validation.agreement, strict=True))
        low, high = at.get(LOW), at.get(HIGH)
        return low is not None and high is not None and high <= MAX_AGREEMENT * low

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the verdict included."""
        verdict = {"hides": self.hides, "responds": self.responds}
        return {**asdict(self), "validation": to_json(self.validation), "verdict": verdict}

    def lines(self) -> list[str]:
        """The findings as lines of text."""
        noisy = zip(self.validation.sigmas, self.truth_noisy, self.ssim_noisy, strict=True)
        return [
            *self.validation.lines(),
            f"true markers: Dice {_two(self.truth_real)} in b by deconvolution, {_two(self.truth_cycled)} in b'",
            f"haematoxylin of b and b': SSIM {self.ssim_cycled:.3f}",
            *(
                f"sigma {sigma:g}: Dice with the true markers {_two(truth)}, SSIM of haematoxylin {ssim:.3f}"
                for sigma, truth, ssim in noisy
            ),
            f"Dice between b and b' without noise at least {MIN_DICE:g}: {_verdict(self.hides)}",
            f"agreement at sigma {HIGH:g} at most {MAX_AGREEMENT:g} of that at {LOW:g}: {_verdict(self.responds)}",
        ]


def find_out(
    to_reference: nn.Module,
    from_reference: nn.Module,
    reference_images: Sequence[RgbImage],
    fields: Sequence[KnownField],
    stain: Stain,
    *,
    sigmas: Sequence[float] = SIGMAS,
    seed: int = 0,
) -> Findings:
    """Measure a pair on fields that it was not trained on, on the CPU in float32.

    Args:
        to_reference, from_reference: The generators.
        reference_images: uint8 (H, W, 3) of the reference stain.
        fields: Fields of the stain, with sides of 32 to 256 px that divide by 4.
        stain: Its vectors.
        sigmas: Standard deviations of the noise, ascending, in (0, 2].
        seed: Random seed of the noise.

    Raises:
        SourceError: No fields.
        CheckpointError: Output that is not finite.
    """
    if not fields:
        raise SourceError("there is no field to measure on")
    images = [field.image for field in fields]
    limit = derive_threshold(images, stain)
    found = measure(
        to_reference,
        from_reference,
        reference_images,
        images,
        stain,
        sigmas=sigmas,
        seed=seed,
        tiles=len(fields),
        threshold=limit,
    )
    there, back = as_translate(to_reference), as_translate(from_reference)
    cycles = run_cycles([f"field-{i}" for i in range(len(images))], [to_input(image) for image in images], there, back)
    noisy = [draw(cycles, back, sigma=sigma, seed=seed, variant=1) for sigma in sigmas]
    levels = [[to_rgb(image) for image in made] for made in ([cycle.back for cycle in cycles], *noisy)]
    truths = [_truth(fields, outputs, stain, limit) for outputs in levels]
    ssims = [structure(images, outputs, stain) for outputs in levels]
    return Findings(
        validation=found,
        truth_real=_truth(fields, images, stain, limit),
        truth_cycled=truths[0],
        truth_noisy=tuple(truths[1:]),
        ssim_cycled=ssims[0],
        ssim_noisy=tuple(ssims[1:]),
    )


def _truth(fields: Sequence[KnownField], images: Sequence[RgbImage], stain: Stain, limit: float) -> float | None:
    return dice([field.markers for field in fields], [marker_mask(image, stain, limit) for image in images])


def _verdict(holds: bool) -> str:
    return "holds" if holds else "DOES NOT HOLD"


def _two(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
