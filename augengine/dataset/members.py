"""The members that one source sample becomes in a shard, and what the report counts of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.chain.base import Variants
from augengine.chain.pair import EnginesSpec
from augengine.digests import canonical_json
from augengine.draws.noise import NOISE_VERSION
from augengine.pictures.encode import decode_own, encode_mask, encode_pixels
from augengine.pictures.images import mask_is_canonical, read_mask
from augengine.sample import SOURCE_VARIANT, Sample, variant_key
from augengine.shards import members_of
from augengine.shards.counted import Encoded, Statistics, count_classes, count_pixels
from augengine.shards.write import Members
from augengine.spec import MAX_SIDE, AugmentSpec

_SAME_FORMAT = {"jpeg": "jpg"}


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
    variants: list[tuple[str, Members]] = []
    statistics = Statistics()
    for variant, sigma, image, pixels in _images(sample, drawn, spec):
        record = sample_json(sample, spec, engines, variant=variant, sigma=sigma, passed=drawn is None)
        members = members_of(image, spec.image_format, mask=mask, json=canonical_json(record), extras=sample.extras)
        variants.append((variant_key(sample.key, variant), members))
        statistics += count_pixels(pixels, mask_counts)
    return Encoded(tuple(variants), statistics)


def sample_json(
    sample: Sample, spec: AugmentSpec, engines: EnginesSpec, *, variant: int, sigma: float, passed: bool
) -> dict[str, Any]:
    """The json of a written sample: all it takes to make it again, and the source's own json as a text.

    Every sample has the same fields with the same types and none is null, so that columnar readers can merge them:
    what is unknown is an empty text, or 0 um/px. ``variants`` says how many variants the source has, itself not
    counted: 0 if it passes through untouched.
    """
    return {
        "source_key": sample.key,
        "stain": spec.stain,
        "reference": spec.reference,
        "variant": variant,
        "variants": 0 if passed else spec.variants,
        "eps": float(spec.noise.eps),
        "sigma": float(sigma),
        "seed": spec.noise.seed,
        "noise_version": NOISE_VERSION,
        "engine_to_reference": engines.to_reference,
        "engine_from_reference": engines.from_reference,
        "precision": engines.precision,
        "mpp": float(sample.mpp or spec.mpp or 0),
        "source": sample.meta_text,
    }


def _images(
    sample: Sample, drawn: Variants | None, spec: AugmentSpec
) -> Iterator[tuple[int, float, bytes, NDArray[np.uint8]]]:
    """Variant, sigma, encoded image, and the pixels that a reader of it sees."""
    if drawn is None or spec.include_source:
        own = _SAME_FORMAT.get(sample.image_ext, sample.image_ext) == spec.image_format
        pixels = decode_own(sample.image)
        yield SOURCE_VARIANT, 0.0, *((sample.image, pixels) if own else encode_pixels(pixels, spec.image_format))
    if drawn is not None:
        for k, (pixels, sigma) in enumerate(zip(drawn.images_khwc, drawn.sigmas, strict=True), start=1):
            yield k, sigma, *encode_pixels(pixels, spec.image_format)


def _mask(sample: Sample) -> tuple[bytes | None, dict[int, int]]:
    if sample.mask is None:
        return None, {}
    pixels = read_mask(sample.mask, max_side=MAX_SIDE)
    data = sample.mask if mask_is_canonical(sample.mask) else encode_mask(pixels)
    return data, count_classes(pixels)
