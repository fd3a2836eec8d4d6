"""The sources of a dataset and the variants that there are of each, from indexes, headers and jsons alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from augengine.errors import ContentError, SourceError
from augengine.progress import counted
from augengine.sample import SOURCE_VARIANT
from augengine.shards.groups import Group, Member, check_group
from augengine.shards.listed import ListedShard, list_shard
from augengine.shards.origin import Origin
from augengine.shards.read import parse_meta, source_meta
from augengine.shards.roles import MemberNames
from augengine.shards.spans import Span

Keep = Callable[[dict[str, Any]], bool]
_ONCE = "name every shard once, and give each source a key of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One sample of a shard, unread.

    Attributes:
        shard: Path or URL of the tar.
        key: Its key.
        origin: Which variant of which source it is.
        image, mask, meta: Where its members lie.
    """

    shard: str
    key: str
    origin: Origin
    image: Span
    mask: Span | None
    meta: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source with all that there is of it.

    Attributes:
        key: Its key.
        samples: Variant -> sample, ascending; 0 is the source itself.
    """

    key: str
    samples: Mapping[int, Stored]

    @property
    def variants(self) -> int:
        """How many variants there are, the source itself not counted."""
        return len(self.samples) - (SOURCE_VARIANT in self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All sources of some shards, in the shards' order.

    Attributes:
        sources: Each once.
        shards: Sources per shard; a source counts where its first sample lies.
        bad: Samples that cannot be shown, a sentence each.
        left_out: Samples that were not asked for.
    """

    sources: tuple[Source, ...]
    shards: tuple[int, ...]
    bad: tuple[str, ...] = ()
    left_out: int = 0


def read_catalogue(urls: Sequence[str], *, split: str | None = None, keep: Keep | None = None) -> Catalogue:
    """List the sources of some shards. No picture is read.

    Args:
        urls: Tars by path or URL.
        split: Only samples of this split, by the field ``split`` of their json or their source's.
        keep: Says of a sample's json whether it is wanted. It gets the fields of the source's own json, too.

    Raises:
        SourceError: A shard cannot be read, a sample is there twice, or nothing is left to show.
    """
    collected = _Collected(split=split, keep=keep)
    for url in urls:
        collected.add_shard(url)
    if not collected.sources:
        raise collected.nothing(urls)
    return collected.catalogue()


@dataclass(slots=True, kw_only=True)
class _Collected:
    """What was found so far."""

    split: str | None
    keep: Keep | None
    sources: dict[str, dict[int, Stored]] = field(default_factory=dict)
    shards: list[int] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    splits: set[str] = field(default_factory=set)
    left_out: int = 0

    def add_shard(self, url: str) -> None:
        before = len(self.sources)
        for found in _read_shard(url):
            if isinstance(found, str):
                self.bad.append(found)
            elif self._wants(found[1]):
                self._add(found[0])
            else:
                self.left_out += 1
        self.shards.append(len(self.sources) - before)

    def _wants(self, facts: dict[str, Any]) -> bool:
        if split := facts.get("split"):
            self.splits.add(str(split))
        return (self.split is None or split == self.split) and (self.keep is None or bool(self.keep(facts)))

    def _add(self, stored: Stored) -> None:
        origin = stored.origin
        other = self.sources.setdefault(origin.source_key, {}).setdefault(origin.variant, stored)
        # A source that passed through stands in its source shard and in the augmented one.
        if other is not stored and origin.passed == other.origin.passed:
            what = f"variant {origin.variant} of {origin.source_key}" if origin.variant else origin.source_key
            where = stored.shard if stored.shard == other.shard else f"{other.shard} and {stored.shard}"
            raise SourceError(f"{what} is there twice, in {where}", hint=_ONCE)

    def nothing(self, urls: Sequence[str]) -> SourceError:
        """Why there is nothing to show."""
        where = urls[0] + (f" and {counted(len(urls) - 1, 'other shard')}" if len(urls) > 1 else "")
        if self.split is not None and self.split not in self.splits and self.left_out:
            hint = f"there are {', '.join(sorted(self.splits))}" if self.splits else "no sample's json names a split"
            return SourceError(f"no sample of {where} is in the split {self.split!r}", hint=hint)
        if self.left_out:
            return SourceError(f"keep= leaves out all {self.left_out} samples of {where}")
        return SourceError(f"no sample of {where} can be shown", hint=self.bad[0] if self.bad else "it has none")

    def catalogue(self) -> Catalogue:
        ordered = (Source(key=key, samples=dict(sorted(found.items()))) for key, found in self.sources.items())
        shards, bad = tuple(self.shards), tuple(self.bad)
        return Catalogue(sources=tuple(ordered), shards=shards, bad=bad, left_out=self.left_out)


def _read_shard(url: str) -> Iterator[tuple[Stored, dict[str, Any]] | str]:
    """Each sample with what its json and its source's say, or why it is bad."""
    names = MemberNames()
    listed = list_shard(url, names)
    for group in listed.grouped.samples:
        try:
            yield _read_sample(url, group, listed, names)
        except ContentError as error:
            yield f"{group.name} in {url}: {error.sentence}"


def _read_sample(url: str, group: Group, listed: ListedShard, names: MemberNames) -> tuple[Stored, dict[str, Any]]:
    roles = check_group(group, names)
    meta = parse_meta(listed.jsons[roles.meta.offset]) if roles.meta is not None else {}
    stored = Stored(
        shard=url,
        key=group.key,
        origin=Origin.read(meta, group.key),
        image=_span(roles.image),
        mask=_span(roles.mask) if roles.mask is not None else None,
        meta=_span(roles.meta) if roles.meta is not None else None,
    )
    return stored, facts_of(meta)


def facts_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a sample's json, with those of its source's own json beside them.

    Raises:
        ContentError: The source's own json cannot be read.
    """
    return {**source_meta(meta), **meta}


def _span(member: Member) -> Span:
    return Span(member.offset, member.size)
