"""The members that one source sample becomes in a shard, and what the report counts of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from augengine.chain.base import Variants
from augengine.chain.pair import EnginesSpec
from augengine.dataset.gate import UNCHANGED, Drawn, Gated, apply_gate
from augengine.digests import canonical_json
from augengine.draws.moves import SHUFFLE_VERSION
from augengine.draws.noise import NOISE_VERSION
from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import decode_own, encode_mask, encode_pixels
from augengine.pictures.masks import mask_is_canonical, read_mask
from augengine.sample import SOURCE_VARIANT, Sample, variant_key
from augengine.shards import members_of
from augengine.shards.counted import Encoded, Statistics, count_classes, count_pixels
from augengine.shards.write import Members
from augengine.spec import MAX_SIDE, AugmentSpec

_SAME_FORMAT = {"jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class Written:
    """One image of a sample that becomes several: a variant, or the source itself.

    Attributes:
        variant: Its number; 0 is the source.
        sigma: The standard deviation of its noise; 0 of the source.
        ssim: Structural similarity of its counterstain with the source's, where there is a gate.
        data: The encoded image.
        pixels: What a reader of it sees, uint8 (H, W, 3).
    """

    variant: int
    sigma: float
    ssim: float
    data: bytes
    pixels: RgbImage


def encode_sample(sample: Sample, drawn: Variants | None, spec: AugmentSpec, engines: EnginesSpec) -> Encoded:
    """Encode a sample's variants, its source where that is included, and its masks.

    Args:
        sample: The source.
        drawn: Its variants; None for a sample that passes through untouched.
        spec: What to augment and how.
        engines: What made the variants.

    Raises:
        ContentError: The mask or the source image is bad.
    """
    mask, mask_counts = _mask(sample)
    gated = Gated() if drawn is None else apply_gate(sample, drawn, spec)
    variants: list[tuple[str, Members]] = []
    statistics = Statistics()
    for written in _written(sample, gated.kept, spec, passed=drawn is None):
        record = sample_json(sample, spec, engines, written, variants=len(gated.kept))
        members = members_of(
            written.data, spec.image_format, mask=mask, json=canonical_json(record), extras=sample.extras
        )
        variants.append((variant_key(sample.key, written.variant), members))
        statistics += count_pixels(written.pixels, mask_counts)
    return Encoded(tuple(variants), statistics, gated.left_out, sample.patient)


def sample_json(
    sample: Sample, spec: AugmentSpec, engines: EnginesSpec, written: Written, *, variants: int
) -> dict[str, Any]:
    """The json of a written sample: all it takes to make it again, and the source's own json as a text.

    Every sample of a dataset has the same fields with the same types and none is null, so that columnar readers can
    merge them: what is unknown is an empty text, or 0 um/px. ``variants`` says how many variants are written of the
    source, itself not counted: 0 if it passes through untouched. With a gate there is ``counterstain_ssim`` too, and
    where markers are shuffled ``method``.
    """
    more: dict[str, Any] = {} if spec.gate is None else {"counterstain_ssim": written.ssim}
    more |= {} if spec.shuffle is None else {"method": spec.method}
    return {
        "source_key": sample.key,
        "stain": spec.stain,
        "reference": spec.reference,
        "variant": written.variant,
        "variants": variants,
        "eps": float(spec.eps),
        "sigma": float(written.sigma),
        "seed": spec.seed,
        "noise_version": NOISE_VERSION if spec.shuffle is None else SHUFFLE_VERSION,
        "engine_to_reference": engines.to_reference,
        "engine_from_reference": engines.from_reference,
        "precision": engines.precision,
        "mpp": float(sample.mpp or spec.mpp or 0),
        "source": sample.meta_text,
        **more,
    }


def _written(sample: Sample, kept: Sequence[Drawn], spec: AugmentSpec, *, passed: bool) -> Iterator[Written]:
    if passed or spec.include_source:
        own = _SAME_FORMAT.get(sample.image_ext, sample.image_ext) == spec.image_format
        pixels = decode_own(sample.image)
        data, seen = (sample.image, pixels) if own else encode_pixels(pixels, spec.image_format)
        yield Written(SOURCE_VARIANT, 0.0, UNCHANGED, data, seen)
    for each in kept:
        data, seen = encode_pixels(each.image, spec.image_format)
        yield Written(each.variant, each.sigma, each.ssim, data, seen)


def _mask(sample: Sample) -> tuple[bytes | None, dict[int, int]]:
    if sample.mask is None:
        return None, {}
    pixels = read_mask(sample.mask, max_side=MAX_SIDE)
    data = sample.mask if mask_is_canonical(sample.mask) else encode_mask(pixels)
    return data, count_classes(pixels)
