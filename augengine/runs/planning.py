"""From a source's listing to jobs: one shard each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from augengine.errors import SourceError, SpecError
from augengine.jobs import Job
from augengine.listing import Entry, Listing, Unit, digest_entries
from augengine.spec import AugmentSpec, ImageFormat

SHARD_BYTES = 256_000_000
"""Size that a shard of a folder's images should have, about, unless the user says how many samples."""

# Encoded bytes for a byte of 8-bit RGB, of histology at 508 px.
_SHARE_OF_RAW: dict[ImageFormat, float] = {"png": 0.7, "webp": 0.57, "jpg": 0.21}


def estimate_bytes(pixels: float, spec: AugmentSpec) -> float:
    """Bytes that a source image of ``pixels`` becomes: its variants, and itself where sources are included."""
    return encoded_bytes(pixels, spec.image_format) * (spec.variants + spec.include_source)


def encoded_bytes(pixels: float, image_format: ImageFormat) -> float:
    """Estimated bytes of an encoded image of ``pixels``."""
    return pixels * 3 * _SHARE_OF_RAW[image_format]


def make_jobs(listing: Listing, spec: AugmentSpec, *, samples_per_shard: int | None = None) -> tuple[Job, ...]:
    """Cut a source into jobs: a folder into chunks, tars one to one.

    Args:
        listing: What the source holds.
        spec: Its ``stain`` names the shards, its ``limit`` cuts the source.
        samples_per_shard: Source samples a chunk; default: about 256 MB of output.

    Raises:
        SourceError: There is no sample.
        SpecError: ``samples_per_shard`` below 1, or for tars.
    """
    if samples_per_shard is not None and samples_per_shard < 1:
        raise SpecError(
            f"samples per shard must be at least 1, got {samples_per_shard}", hint="leave it out for 256 MB"
        )
    if samples_per_shard is not None and not listing.splits:
        hint = "leave out --samples-per-shard: each source shard becomes one shard"
        raise SpecError("the samples of source shards cannot be redistributed", hint=hint)
    size = (samples_per_shard or _fitting(listing, spec)) if listing.splits else None
    chunks = _chunks(listing.units, size, spec.limit)
    jobs = tuple(_job(index, spec.stain, *chunk) for index, chunk in enumerate(chunks))
    if not jobs:
        raise SourceError("the source holds no sample", hint="look into it; was it the right folder?")
    return jobs


def _fitting(listing: Listing, spec: AugmentSpec) -> int:
    pixels = [entry.height * entry.width for entry in listing.entries() if not entry.reason]
    mean = sum(pixels) / len(pixels) if pixels else 0.0
    return max(1, int(SHARD_BYTES / max(1.0, estimate_bytes(mean, spec))))


def _chunks(units: Sequence[Unit], size: int | None, limit: int | None) -> Iterator[tuple[Unit, int, Sequence[Entry]]]:
    """Unit, ordinal of the first entry in it, entries; empty units have none."""
    left = sum(len(unit.entries) for unit in units) if limit is None else limit
    for unit in units:
        entries = unit.entries[:left]
        left -= len(entries)
        step = size or max(1, len(entries))
        yield from ((unit, first, entries[first : first + step]) for first in range(0, len(entries), step))


def _job(index: int, stain: str, unit: Unit, first: int, entries: Sequence[Entry]) -> Job:
    return Job(
        index=index,
        source=unit.source,
        first=first,
        count=len(entries),
        size=sum(entry.size for entry in entries),
        digest=digest_entries(entries),
        output=f"{stain}-{index:06d}",
        excluded={ordinal: entry.reason for ordinal, entry in enumerate(entries, first) if entry.reason},
        apart=unit.apart,
    )
