"""Sources of cd68 in tests: tars to open, and what is read of a source."""

from __future__ import annotations

from pathlib import Path

from augengine.jobs import Job
from augengine.listing import Listing, digest_entries
from augengine.sample import Failure, Sample
from augengine.shards import ShardWriter
from augengine.sources import Source, open_source
from tests.support.pictures import encode, tissue

Outcome = Sample | Failure


def whole_unit(listing: Listing, unit: int = 0) -> Job:
    """The job that reads all of a unit."""
    entries = listing.units[unit].entries
    return Job(
        index=0,
        source=listing.units[unit].source,
        first=0,
        count=len(entries),
        size=0,
        digest=digest_entries(entries),
        output="out",
        excluded={i: entry.reason for i, entry in enumerate(entries) if entry.reason},
        apart=listing.units[unit].apart,
    )


def read_all(source: Source) -> list[Outcome]:
    """What comes of every sample, in the order of the listing."""
    listing = source.scan()
    return [outcome for u in range(len(listing.units)) for outcome in source.read(whole_unit(listing, u))]


def open_cd68(text: Path | str | None, **options: str) -> Source:
    return open_source(None if text is None else str(text), stain="cd68", **options)


def write_tar(file: Path, keys: list[str]) -> Path:
    """A source shard of tissue at 0.25 um/px."""
    with ShardWriter(file) as writer:
        for key in keys:
            writer.add(key, [("png", encode(tissue())), ("json", b'{"mpp": 0.25}')])
    return file
