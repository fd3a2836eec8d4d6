"""The gate: a variant whose tissue is no longer that of its source is left out, and named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from augengine.chain.base import Variants
from augengine.errors import ContentError
from augengine.measures.structure import MIN_SIDE, counterstain_ssim
from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import decode_own
from augengine.sample import Sample, variant_key
from augengine.spec import AugmentSpec, GateSpec
from augengine.stains import Stain

_DIGITS = 4
UNCHANGED = 1.0
"""The similarity of an image with itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One variant of a source, as it is written.

    Attributes:
        variant: Its number, from 1.
        sigma: The standard deviation of its noise, in units of [-1, 1].
        image: uint8 (H, W, 3).
        ssim: Structural similarity of its counterstain with the source's, where there is a gate.
    """

    variant: int
    sigma: float
    image: RgbImage
    ssim: float = UNCHANGED


@dataclass(frozen=True, slots=True)
class Gated:
    """The variants of a source, parted by the gate.

    Attributes:
        kept: Those that are written, in the order of their numbers.
        left_out: Key of a variant that is not -> its structural similarity.
    """

    kept: tuple[Drawn, ...] = ()
    left_out: Mapping[str, float] = field(default_factory=dict)


def apply_gate(sample: Sample, variants: Variants, spec: AugmentSpec) -> Gated:
    """The variants of a sample that are written, and those that the gate leaves out.

    Raises:
        ContentError: There is a gate, and the image is too small to be measured.
    """
    if spec.gate is None:
        return Gated(tuple(_drawn(variants, [UNCHANGED] * len(variants.sigmas))))
    return part_variants(decode_own(sample.image), variants, spec.gate)


def part_variants(source: RgbImage, variants: Variants, gate: GateSpec) -> Gated:
    """Measure each variant against its source, and part those that pass the gate from those that do not.

    Args:
        source: uint8 (H, W, 3).
        variants: What was made of it.
        gate: The bound.

    Raises:
        ContentError: The image is too small to be measured.
    """
    drawn = list(_drawn(variants, _measure(source, variants, gate)))
    passing = {each.variant for each in drawn if each.ssim >= gate.least or gate.least == 0}
    return Gated(
        kept=tuple(each for each in drawn if each.variant in passing),
        left_out={variant_key(variants.key, each.variant): each.ssim for each in drawn if each.variant not in passing},
    )


def _drawn(variants: Variants, similarities: Sequence[float]) -> Iterator[Drawn]:
    found = zip(variants.sigmas, variants.images_khwc, similarities, strict=True)
    for number, (sigma, image, ssim) in enumerate(found, start=1):
        yield Drawn(variant=number, sigma=sigma, image=image, ssim=ssim)


def _measure(source: RgbImage, variants: Variants, gate: GateSpec) -> Sequence[float]:
    """Measure the similarity of each variant, rounded: the json says the very number that decides."""
    if min(source.shape[:2]) < MIN_SIDE:
        height, width = source.shape[:2]
        raise ContentError(f"the image is {width} x {height} px, --gate needs at least {MIN_SIDE} px a side")
    stain = Stain(name="gated", reference=None, chromogen=gate.chromogen, counterstain=gate.counterstain)
    return [round(ssim, _DIGITS) for ssim in counterstain_ssim(source, list(variants.images_khwc), stain)]
