"""Source shards: WebDataset tars, each kept as one shard."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, cast

import braceexpand
import fsspec

from augengine.errors import DamagedSource, SourceError, SpecError, TargetError
from augengine.jobs import Job
from augengine.listing import Entry, Listing, Unit, make_listing
from augengine.sample import Failure, Sample, make_key, printable
from augengine.shards.read import TarListing, read_tar, scan_tar
from augengine.storage import filesystem_of, is_url, redact, remote_errors

MAX_TARS = 1_000_000
_GLOB = "*?["
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)")


@dataclass(frozen=True, kw_only=True)
class TarsSource:
    """Tars by path or URL, in the order given."""

    kind: ClassVar[str] = "tars"

    urls: tuple[str, ...]

    def scan(self) -> Listing:
        """List the samples of every tar from its headers; see `Source`. A damaged one is one bad sample.

        Raises:
            SourceError: One is missing or cannot be read, or all are damaged.
        """
        listings = _scan_each(self.urls)
        units = [Unit(source=url, entries=found.entries) for url, found in zip(self.urls, listings, strict=True)]
        firsts = (Sample(key="", image=b"", image_ext="", meta=listing.meta) for listing in listings)
        return make_listing(units, mpps=(first.mpp for first in firsts if first.mpp is not None))

    def read(self, job: Job) -> Iterator[Sample | Failure]:
        """Read a job's tar as one stream; see `Source`."""
        if len(job.excluded) < job.count:
            return read_tar(job.source, job.first, job.count, job.excluded)
        return iter(_all_bad(job))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": self.kind, "urls": list(self.urls)}


def _scan_each(urls: Sequence[str]) -> list[TarListing]:
    """A damaged tar counts as one bad sample, for nobody knows how many it had; if all are, the first is said."""
    found: list[TarListing | DamagedSource] = []
    for url in urls:
        try:
            found.append(scan_tar(url))
        except DamagedSource as damage:
            found.append(damage)
    if found and all(isinstance(each, DamagedSource) for each in found):
        raise cast(DamagedSource, found[0])
    return [
        _as_one_sample(url, each) if isinstance(each, DamagedSource) else each
        for url, each in zip(urls, found, strict=True)
    ]


def _as_one_sample(url: str, damage: DamagedSource) -> TarListing:
    entry = Entry(key=make_key(_name(url)), files=((printable(_name(url)), 0),), reason=printable(damage.message))
    return TarListing(entries=(entry,), meta={})


def _all_bad(job: Job) -> list[Sample | Failure]:
    """A job of bad samples alone, which may be one that stands for a damaged tar."""
    try:
        return list(read_tar(job.source, job.first, job.count, job.excluded))
    except DamagedSource:
        return [Failure(make_key(_name(job.source)), reason) for reason in job.excluded.values()]


def _name(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def expand(text: str) -> tuple[str, ...]:
    """The tars of a brace pattern, a glob, or both; an URL's glob is answered by its filesystem.

    Raises:
        SourceError: A malformed or endless pattern, or a glob that matches nothing.
    """
    try:
        # Counted first: braceexpand unrolls each range in memory.
        counts = [abs(int(last) - int(first)) + 1 for first, last in _RANGE.findall(text)]
        small = max(counts, default=0) <= MAX_TARS
        patterns = list(islice(braceexpand.braceexpand(text), MAX_TARS + 1)) if small else []
    except ValueError as error:
        raise SourceError(f"{text!r} is no brace pattern: {error}", hint="write shards-{000000..000009}.tar") from error
    if not 0 < len(patterns) <= MAX_TARS:
        raise SourceError(f"{text!r} stands for more than {MAX_TARS} tars")
    return tuple(url for pattern in patterns for url in _matches(pattern))


def _matches(pattern: str) -> Sequence[str]:
    if not any(sign in pattern for sign in _GLOB):
        return [pattern]
    filesystem, path = resolve(pattern)
    try:
        with remote_errors(pattern):
            found = sorted(filesystem.glob(path))
    except (OSError, TargetError) as error:
        raise SourceError(f"{pattern} cannot be listed: {error}") from error
    if not found:
        raise SourceError(f"nothing matches {pattern}")
    return [unstrip(filesystem, pattern, str(name)) for name in found]


def tars_below(url: str) -> tuple[str, ...]:
    """The tars directly in a folder, sorted by name."""
    filesystem, path = resolve(url)
    try:
        with remote_errors(url):
            names = [str(name) for name in filesystem.ls(path, detail=False)]
    except (OSError, TargetError) as error:
        raise SourceError(f"{url} cannot be listed: {error}") from error
    return tuple(unstrip(filesystem, url, name) for name in sorted(names) if name.endswith(".tar"))


def resolve(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem of an URL and the path within it.

    Raises:
        SourceError: An unknown protocol, or one whose package is missing.
    """
    if is_url(url):
        try:
            filesystem = filesystem_of(url)
        except SpecError as error:
            raise SourceError(f"cannot read {redact(url)}: {error.message}", hint=error.hint) from error
        return filesystem, str(filesystem._strip_protocol(url))
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise SourceError(f"cannot read {url}: {error}", hint="install the fsspec package of that protocol") from error
    return filesystem, str(path)


def unstrip(filesystem: fsspec.AbstractFileSystem, url: str, name: str) -> str:
    """A filesystem's name as what the user would write: an URL if ``url`` is one."""
    return str(filesystem.unstrip_protocol(name)) if "://" in url else name
