"""Source shards: WebDataset tars, each kept as one shard."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar, cast

import braceexpand
import fsspec

from augengine.errors import DamagedSource, SourceError, SpecError, TargetError
from augengine.jobs import Job
from augengine.json_values import to_json
from augengine.listing import Entry, Listing, Unit, make_listing, say_left_out
from augengine.progress import counted
from augengine.sample import Failure, Sample, make_key, printable
from augengine.shards.read import TarListing, is_own, read_tar, scan_tar
from augengine.shards.roles import NO_MASK, MemberNames, member_names
from augengine.storage import filesystem_of, is_url, redact, remote_errors

MAX_TARS = 1_000_000
_GLOB = "*?["
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)")


@dataclass(frozen=True, kw_only=True)
class TarsSource:
    """Tars by path or URL, in the order given.

    Attributes:
        urls: Where they are.
        names: Which of their members are images and masks.
        left_out: What lies beside them and is not read, a sentence each; no part of what they are.
    """

    kind: ClassVar[str] = "tars"

    urls: tuple[str, ...]
    names: MemberNames = field(default_factory=MemberNames)
    left_out: tuple[str, ...] = field(default=(), compare=False)

    def scan(self) -> Listing:
        """List the samples of every tar from its headers; see `Source`. A damaged one is one bad sample.

        Raises:
            SourceError: One is missing or cannot be read, or all are damaged.
        """
        listings = _scan_each(self.urls, self.names)
        _check_mask_member(self.names, listings)
        units = [
            Unit(source=url, entries=found.entries, apart=found.apart)
            for url, found in zip(self.urls, listings, strict=True)
        ]
        firsts = (Sample(key="", image=b"", image_ext="", meta=listing.meta) for listing in listings)
        return make_listing(
            units,
            mpps=(first.mpp for first in firsts if first.mpp is not None),
            notes=_stray_notes(self.urls, listings),
            warnings=(*self.left_out, *_made_before(self.urls, listings)),
        )

    def read(self, job: Job) -> Iterator[Sample | Failure]:
        """Read a job's tar; see `Source`."""
        outcomes = read_tar(job.source, job.first, job.count, job.excluded, apart=job.apart, names=self.names)
        return outcomes if len(job.excluded) < job.count else iter(_all_bad(job, outcomes))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = self.names
        stored = StoredTars(self.urls, names.image or None, names.mask or None, names.mask_suffix)
        return {"kind": self.kind, **to_json(stored)}


@dataclass(frozen=True, slots=True)
class StoredTars:
    """The tars of a plan: the fields of its json."""

    urls: tuple[str, ...]
    image_member: str | None
    mask_member: str | None
    mask_suffix: str

    def source(self) -> TarsSource:
        """The source that it stands for."""
        return TarsSource(urls=self.urls, names=member_names(self.image_member, self.mask_member, self.mask_suffix))


def _scan_each(urls: Sequence[str], names: MemberNames) -> list[TarListing]:
    """A damaged tar counts as one bad sample, for nobody knows how many it had; if all are, the first is said."""
    found: list[TarListing | DamagedSource] = []
    for url in urls:
        try:
            found.append(scan_tar(url, names))
        except DamagedSource as damage:
            found.append(damage)
    if found and all(isinstance(each, DamagedSource) for each in found):
        raise cast(DamagedSource, found[0])
    return [
        _as_one_sample(url, each) if isinstance(each, DamagedSource) else each
        for url, each in zip(urls, found, strict=True)
    ]


def _as_one_sample(url: str, damage: DamagedSource) -> TarListing:
    entry = Entry(key=make_key(_name(url)), files=((printable(_name(url)), 0),), reason=printable(damage.sentence))
    return TarListing(entries=(entry,), meta={})


def _all_bad(job: Job, outcomes: Iterator[Sample | Failure]) -> list[Sample | Failure]:
    """A job of bad samples alone, which may be one that stands for a damaged tar."""
    try:
        return list(outcomes)
    except DamagedSource:
        return [Failure(make_key(_name(job.source)), reason) for reason in job.excluded.values()]


def _stray_notes(urls: Sequence[str], listings: Sequence[TarListing]) -> Iterator[str]:
    """What tars hold besides their samples: a line, however many tars it is in."""
    holding = [(url, listing.strays) for url, listing in zip(urls, listings, strict=True) if listing.strays]
    if holding:
        names = [name for _, strays in holding for name in strays]
        more = f" and {counted(len(holding) - 1, 'other tar')}" if len(holding) > 1 else ""
        yield f"{say_left_out(names)} in {printable(_name(holding[0][0]))}{more}"


def _check_mask_member(names: MemberNames, listings: Sequence[TarListing]) -> None:
    entries = [entry for listing in listings for entry in listing.entries if not entry.reason]
    if entries and names.mask not in ("", NO_MASK) and not any(entry.mask for entry in entries):
        others = sorted({f".{name}" for entry in entries for name in entry.extras})
        hint = f"the members besides images and json are {', '.join(others)}" if others else "leave it out"
        raise SourceError(f"no sample has the member .{names.mask} that --mask-member names", hint=hint)


def _made_before(urls: Sequence[str], listings: Sequence[TarListing]) -> Iterator[str]:
    made = [url for url, listing in zip(urls, listings, strict=True) if is_own(listing.meta)]
    if made:
        yield f"{printable(_name(made[0]))} holds samples that augengine made: this makes variants of variants"


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
    return tuple(name for name in files_below(url) if name.lower().endswith(".tar"))


def files_below(url: str) -> tuple[str, ...]:
    """What lies directly in a folder, by path or URL as the folder itself, sorted by name.

    Raises:
        SourceError: It cannot be listed.
    """
    filesystem, path = resolve(url)
    try:
        with remote_errors(url):
            names = [str(name) for name in filesystem.ls(path, detail=False)]
    except (OSError, TargetError) as error:
        raise SourceError(f"{url} cannot be listed: {error}") from error
    return tuple(unstrip(filesystem, url, name) for name in sorted(names))


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
