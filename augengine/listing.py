"""What a source holds, as far as names, sizes and headers tell: the values that a plan is made from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from augengine.digests import json_digest
from augengine.errors import ContentError, SourceError
from augengine.progress import counted
from augengine.sample import check_key, printable

MAX_LARGE_SHARE = 0.1
"""Share of images beyond which large ones are no accident."""

MAX_UNPACKED_RATIO = 1100
"""Bytes of pixels for a byte of file beyond which a large image's header is not believed: deflate makes 1032 of one,
JPEG a few hundred, tissue less than 40."""


_END = re.compile(r"[_.-][A-Za-z]+$")
"""What may tell the name of a mask from the name of its image."""

_MASK_WORDS = {
    "mask", "masks", "seg", "segs", "segmentation", "segmentations", "label", "labels", "gt", "groundtruth", "truth",
    "annotation", "annotations", "annot", "target", "targets",
}  # fmt: skip
_WORD = re.compile(r"[a-z]+")
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One source sample, unread.

    Attributes:
        key: Its key in the dataset.
        files: Name and bytes of each of its files or members, the image first.
        height, width: From the image's header, in pixels; 0 if that cannot be read.
        mask: Name of the file or member that is its mask; empty if it has none, or is bad.
        extras: Extensions of the members of a tar that travel along, without a dot in front.
        reason: Why it is known to be bad already; empty if it is not.
    """

    key: str
    files: tuple[tuple[str, int], ...]
    height: int = 0
    width: int = 0
    mask: str = ""
    extras: tuple[str, ...] = ()
    reason: str = ""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(size for _, size in self.files)

    @property
    def name(self) -> str:
        """How the source calls it."""
        return self.files[0][0] if self.files else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A folder, or one tar: entries in the order in which they are read.

    Attributes:
        source: The folder or the tar.
        entries: Its samples.
        apart: Whether it is a tar whose headers must be read before its samples.
    """

    source: str
    entries: tuple[Entry, ...]
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All units of a source.

    Attributes:
        units: In reading order; no key occurs twice among entries without a ``reason``.
        mpps: The um/px values seen, each once: of the first sample of each tar, of a folder's sidecars.
        splits: Whether a unit may be cut into several shards; tars are kept one to one.
        notes, warnings: What a user should know of the source, a sentence each.
    """

    units: tuple[Unit, ...]
    mpps: tuple[float, ...] = ()
    splits: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def entries(self) -> Iterator[Entry]:
        """All entries, unit after unit."""
        return (entry for unit in self.units for entry in unit.entries)

    @property
    def samples(self) -> int:
        """How many samples, good and bad."""
        return sum(len(unit.entries) for unit in self.units)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries())

    @property
    def bad(self) -> tuple[Entry, ...]:
        """The entries known to be bad."""
        return tuple(entry for entry in self.entries() if entry.reason)

    @property
    def smallest(self) -> tuple[int, int]:
        """The smallest height and the smallest width of the good entries, in pixels; (0, 0) if there are none."""
        good = [entry for entry in self.entries() if not entry.reason]
        return min((e.height for e in good), default=0), min((e.width for e in good), default=0)

    @property
    def largest(self) -> tuple[int, int]:
        """The largest height and the largest width of the good entries, in pixels; (0, 0) if there are none."""
        good = [entry for entry in self.entries() if not entry.reason]
        return max((e.height for e in good), default=0), max((e.width for e in good), default=0)


def make_listing(
    units: Iterable[Unit],
    *,
    mpps: Iterable[float] = (),
    splits: bool = False,
    notes: Iterable[str] = (),
    warnings: Iterable[str] = (),
) -> Listing:
    """A listing whose entries with keys that are taken, too long or malformed say so in ``reason``."""
    taken: dict[str, str] = {}
    checked = [replace(unit, entries=tuple(_check(e, unit.source, taken) for e in unit.entries)) for unit in units]
    return Listing(
        units=tuple(checked),
        mpps=tuple(dict.fromkeys(mpps)),
        splits=splits,
        notes=tuple(notes),
        warnings=(*warnings, *_unknown_masks([entry.name for unit in checked for entry in unit.entries])),
    )


def _unknown_masks(names: Sequence[str]) -> Iterator[str]:
    """A sentence on samples that may be the masks of others by their names: ``k_seg`` beside ``k``, ``gt/k`` ..."""
    known = {name.rpartition(".")[0] or name for name in names}
    ends = Counter(name[end.start() :] for name in known if (end := _END.search(name)) and name[: end.start()] in known)
    told = [(end, count) for end, count in ends.items() if count > 1 and 2 * count >= len(known) - count]
    for suffix, count in told:
        said = f"{count} samples are named like others with {suffix} behind"
        yield f"{said}: if they are masks, say --mask-suffix {suffix}"
    alike = [] if told else [name for name in names if _MASK_WORDS & set(_WORD.findall(name.lower()))]
    if 0 < len(alike) < len(names):
        said = f"{counted(len(alike), 'sample')} {'is' if len(alike) == 1 else 'are'} named like masks, as {alike[0]}"
        yield f"{said}: if they are, put them into a folder masks beside the folder images, each named as its image"


def say_left_out(names: Sequence[str]) -> str:
    """A sentence on files that belong to no sample, without its end."""
    shown = ", ".join(list(dict.fromkeys(names))[:_NAMED]) + (" ..." if len(set(names)) > _NAMED else "")
    verb = "belongs to no sample and is" if len(names) == 1 else "belong to no sample and are"
    return f"{counted(len(names), 'file')} {verb} left out: {shown}"


_TAKEN = "which is taken by "


def failed_as(name: str, key: str, reason: str) -> str:
    """What a sample that fails is called: its key, or its file's name where another sample has that key.

    Args:
        name: Its first file.
        key: Its key.
        reason: Why it fails.
    """
    return printable(name) if _TAKEN in reason else key


def _check(entry: Entry, source: str, taken: dict[str, str]) -> Entry:
    if entry.reason:
        return entry
    try:
        check_key(entry.key)
    except ContentError as error:
        return replace(entry, reason=error.sentence)
    if entry.key in taken:
        return replace(entry, reason=f"{entry.name} has the key {entry.key!r}, {_TAKEN}{taken[entry.key]}")
    taken[entry.key] = f"{entry.name} in {source}"
    return entry


def check_sides(listing: Listing, max_side: int) -> Listing:
    """The source without the few images whose headers promise more than ``max_side`` pixels: ``reason`` says so.

    Where many images are really that large, it is an error instead: they should have been cut into tiles.

    Raises:
        SourceError: More than `MAX_LARGE_SHARE` of the images are, by headers that can be true; it names the first.
    """
    good = [entry for entry in listing.entries() if not entry.reason]
    large = [entry for entry in good if max(entry.height, entry.width) > max_side]
    true = [entry for entry in large if not _is_bomb(entry)]
    if len(true) > MAX_LARGE_SHARE * len(good):
        first = true[0]
        raise SourceError(
            f"{len(true)} of {listing.samples} images are larger than {max_side} px, "
            f"as {first.name} with {first.width} x {first.height}",
            hint="cut them into tiles with `augengine tile`, or raise --max-side",
        )
    return replace(listing, units=tuple(_without_large(unit, max_side) for unit in listing.units)) if large else listing


def check_readable(listing: Listing, text: str | None) -> None:
    """Refuse a source of which no image can be read by its header.

    Args:
        listing: The source.
        text: How the user names it.

    Raises:
        SourceError: There is none; it says why the first one is bad.
    """
    if not any(listing.largest):
        first = f", as {listing.bad[0].name}: {listing.bad[0].reason}" if listing.bad else ""
        hint = "png, jpg, tif, webp and bmp are read; docs/guide/sources.md says under which names"
        raise SourceError(f"no sample of {text} can be read{first}", hint=hint)


def _is_bomb(entry: Entry) -> bool:
    return 3 * entry.height * entry.width > MAX_UNPACKED_RATIO * entry.size


def _without_large(unit: Unit, max_side: int) -> Unit:
    def checked(entry: Entry) -> Entry:
        if entry.reason or max(entry.height, entry.width) <= max_side:
            return entry
        said = f"its header promises {entry.width} x {entry.height} px, "
        bomb = "which its bytes cannot hold"
        return replace(entry, reason=said + (bomb if _is_bomb(entry) else f"the longest side allowed is {max_side}"))

    return replace(unit, entries=tuple(map(checked, unit.entries)))


def describe(listing: Listing, limit: int | None = None) -> tuple[str, ...]:
    """What a user should know of a source, a sentence each, but for its warnings.

    Args:
        listing: The source.
        limit: Only its first samples are used; None for all.
    """
    return (*listing.notes, *_describe_members(listing, limit))


def _describe_members(listing: Listing, limit: int | None) -> Iterator[str]:
    """Sentences on what only some samples have besides their image: masks first, then what travels along."""
    good = [entry for entry in islice(listing.entries(), limit) if not entry.reason]
    bare = sum(not entry.mask for entry in good)
    seen = Counter(f".{name}" for entry in good for name in entry.extras)
    if good and bare == len(good):
        along = f"; members that travel along: {', '.join(sorted(seen))}" if seen else ""
        yield f"no sample has a mask{along}"
    elif bare:
        yield f"{_of_sources(bare, len(good))} no mask"
    some = [(name, count) for name, count in sorted(seen.items()) if count < len(good)]
    yield from (f"{_of_sources(count, len(good))} a member {name}" for name, count in some)
    if some or 0 < bare < len(good):
        yield "samples differ in members: Hugging Face datasets and Ray load only sets whose samples have the same ones"


def _of_sources(count: int, whole: int) -> str:
    return f"{count} of {counted(whole, 'source')} {'has' if count == 1 else 'have'}"


def digest_entries(entries: Sequence[Entry]) -> str:
    """Digest over the names and sizes of some entries' files."""
    return json_digest([list(map(list, entry.files)) for entry in entries])
