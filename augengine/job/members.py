"""The members that one source sample becomes in a shard, and what the report counts of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.draws.noise import NOISE_VERSION
from augengine.errors import ContentError
from augengine.job.spec import EnginesSpec
from augengine.pictures.encode import encode_image, encode_mask
from augengine.pictures.images import Decoder, mask_is_canonical, read_mask
from augengine.pictures.pixels import channel_sums
from augengine.sample import SOURCE_VARIANT, Sample, variant_key
from augengine.shards import members_of
from augengine.spec import AugmentSpec, ImageFormat, canonical_json

Members = Sequence[tuple[str, bytes]]
_SAME_FORMAT = {"jpeg": "jpg"}
_LOSSY = "jpg"


@dataclass(frozen=True, slots=True)
class Statistics:
    """Sums over the images and masks of some samples; exact integers, so that they add up in any order."""

    pixels: int = 0
    channel_sum: tuple[int, int, int] = (0, 0, 0)
    channel_sum_sq: tuple[int, int, int] = (0, 0, 0)
    class_pixels: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.pixels + other.pixels,
            _add3(self.channel_sum, other.channel_sum),
            _add3(self.channel_sum_sq, other.channel_sum_sq),
            dict(Counter(self.class_pixels) + Counter(other.class_pixels)),
        )


def _add3(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A source sample ready to be written: the members of each of its variants, adjacent."""

    variants: tuple[tuple[str, Members], ...]
    statistics: Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The variants of a sample as the chain made them: uint8 (K, H, W, 3) and the K sigmas drawn."""

    images_khwc: NDArray[np.uint8]
    sigmas: tuple[float, ...]


def encode_sample(sample: Sample, drawn: Drawn | None, spec: AugmentSpec, engines: EnginesSpec) -> Encoded:
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
    """The json of a written sample: all it takes to make it again, and the source's own json under ``source``.

    A source (variant 0) also says how many ``variants`` it has. A variant does not, so that the first variant
    is the same, byte for byte, however many follow it.
    """
    record: dict[str, Any] = {
        "source_key": sample.key,
        "stain": spec.stain,
        "reference": spec.reference,
        "variant": variant,
        "eps": spec.noise.eps,
        "sigma": sigma,
        "seed": spec.noise.seed,
        "noise_version": NOISE_VERSION,
        "engine_to_reference": engines.to_reference,
        "engine_from_reference": engines.from_reference,
        "precision": engines.precision,
        "mpp": sample.mpp or spec.mpp,
        "source": sample.meta,
    }
    if variant == SOURCE_VARIANT:
        record["variants"] = 0 if passed else spec.variants
    return record


def _images(
    sample: Sample, drawn: Drawn | None, spec: AugmentSpec
) -> Iterator[tuple[int, float, bytes, NDArray[np.uint8]]]:
    """Variant, sigma, encoded image, and the pixels that a reader of it sees."""
    if drawn is None or spec.include_source:
        own = _SAME_FORMAT.get(sample.image_ext, sample.image_ext) == spec.image_format
        pixels = _decode(sample.image)
        yield SOURCE_VARIANT, 0.0, *((sample.image, pixels) if own else encode_pixels(pixels, spec.image_format))
    if drawn is not None:
        for k, (pixels, sigma) in enumerate(zip(drawn.images_khwc, drawn.sigmas, strict=True), start=1):
            yield k, sigma, *encode_pixels(pixels, spec.image_format)


def encode_pixels(pixels: NDArray[np.uint8], image_format: ImageFormat) -> tuple[bytes, NDArray[np.uint8]]:
    """An image encoded, and the pixels that a reader of it sees: others where the format loses some."""
    data = encode_image(pixels, image_format)
    return data, _decode(data) if image_format == _LOSSY else pixels


# One decoder a thread: making one costs more than decoding with it.
_thread = threading.local()
# Sizes were checked against the run's own limit when the sample was read.
_ANY_SIDE = 1 << 16


def _decode(data: bytes) -> NDArray[np.uint8]:
    if not hasattr(_thread, "decoder"):
        _thread.decoder = Decoder(threads=1, max_side=_ANY_SIDE)
    decoder: Decoder = _thread.decoder
    (pixels,) = decoder.decode([data])
    if isinstance(pixels, ContentError):
        raise pixels
    return pixels


def _mask(sample: Sample) -> tuple[bytes | None, dict[int, int]]:
    if sample.mask is None:
        return None, {}
    pixels = read_mask(sample.mask, max_side=_ANY_SIDE)
    data = sample.mask if mask_is_canonical(sample.mask) else encode_mask(pixels)
    return data, count_classes(pixels)


def count_classes(mask: NDArray[np.uint8]) -> dict[int, int]:
    """Class id -> pixels of a mask, uint8 (H, W)."""
    counts = np.bincount(mask.ravel(), minlength=1)
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def count_pixels(pixels: NDArray[np.uint8], class_pixels: Mapping[int, int]) -> Statistics:
    """The sums over an image, uint8 (H, W, 3), beside those of its mask."""
    (r, g, b), (rr, gg, bb) = channel_sums(pixels)
    return Statistics(pixels.shape[0] * pixels.shape[1], (r, g, b), (rr, gg, bb), class_pixels)
