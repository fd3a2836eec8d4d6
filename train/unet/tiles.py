"""The tiles that a segmenter learns from, found in source shards and in shards that augengine wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from augengine.errors import ContentError, SourceError
from augengine.listing import Entry
from augengine.sample import SOURCE_VARIANT, Sample
from augengine.shards.read import IMAGE_EXTS, MASK_EXTS, parse_meta
from augengine.sources import TarsSource, open_source
from train.data.places import Place, open_binary, refuse_bad, spans_of

_AUGMENT = "make shards of it: augengine augment --include-source, or augengine tile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One annotated tile, unread, with the variants that were written of it.

    Attributes:
        key: Of the source sample.
        images: Variant -> where its image lies; 0 is the tile itself.
        mask: Where its mask of class ids lies; all variants have the same.
        height, width: Of the images, px.
        patient: As its json says; empty if that says nothing.
        mpp: um/px as its json says; None if that says nothing.
        passed: It was left out of the augmentation on purpose, so it has no variants.
    """

    key: str
    images: Mapping[int, Place]
    mask: Place
    height: int
    width: int
    patient: str = ""
    mpp: float | None = None
    passed: bool = False

    @property
    def variants(self) -> int:
        """How many variants are written: 1 ... this number."""
        return len(self.images) - (SOURCE_VARIANT in self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """One sample of one shard."""

    key: str
    variant: int
    image: Place
    mask: Place | None
    size: tuple[int, int]
    patient: str
    mpp: float | None
    passed: bool


def find_tiles(texts: Sequence[str]) -> tuple[Tile, ...]:
    """The tiles of some shards, each with the variants that any of them holds, sorted by key.

    Args:
        texts: Each a tar, a folder of tars, a brace pattern, a glob or an URL of tars. Sources and their variants
            may stand in different ones.

    Raises:
        SourceError: Missing or unreadable, a tile without a mask, without its source, twice, or with gaps between
            its variants.
    """
    stored: dict[str, dict[int, _Stored]] = defaultdict(dict)
    for text in texts:
        for each in _read_shards(text):
            if each.variant in stored[each.key]:
                what = f"variant {each.variant} of {each.key}" if each.variant else each.key
                raise SourceError(f"{text} holds {what} a second time", hint="name every shard once")
            stored[each.key][each.variant] = each
    refuse_bad({key: reason for key, found in stored.items() if (reason := _why_bad(found))}, " ".join(texts))
    return tuple(_tile(key, stored[key]) for key in sorted(stored))


def _why_bad(found: Mapping[int, _Stored]) -> str:
    if any(each.mask is None for each in found.values()):
        return "it has no mask (seg.png)"
    if SOURCE_VARIANT not in found:
        return "its variants are there, but not itself; name its source shards too, or augment with --include-source"
    if sorted(found) != list(range(len(found))):
        missing = min(set(range(len(found))) - set(found))
        return f"its variant {missing} is missing, though later ones are there"
    if len({each.size for each in found.values()}) > 1:
        return f"its variants have several sizes: {sorted({each.size for each in found.values()})}"
    return ""


def _tile(key: str, found: Mapping[int, _Stored]) -> Tile:
    source = found[SOURCE_VARIANT]
    assert source.mask is not None
    return Tile(
        key=key,
        images={variant: each.image for variant, each in sorted(found.items())},
        mask=source.mask,
        height=source.size[0],
        width=source.size[1],
        patient=source.patient,
        mpp=source.mpp,
        passed=source.passed,
    )


def _read_shards(text: str) -> Iterator[_Stored]:
    source = open_source(text, stain="")
    if not isinstance(source, TarsSource):
        raise SourceError(f"{text} is a folder of images; a segmenter is trained from shards", hint=_AUGMENT)
    listing = source.scan()
    refuse_bad({entry.name: entry.reason for entry in listing.bad}, text)
    for unit in listing.units:
        yield from _read_shard(unit.source, unit.entries)


def _read_shard(url: str, entries: Iterable[Entry]) -> Iterator[_Stored]:
    with open_binary(url) as stream:
        spans = spans_of(stream)
        for entry in entries:
            members = {PurePosixPath(name).name.partition(".")[2].lower(): name for name, _ in entry.files}
            places = {
                extension: Place(name=name, file=url, offset=spans[name][0], size=spans[name][1])
                for extension, name in members.items()
            }
            meta = _meta(places["json"]) if "json" in places else {}
            yield _stored(entry, places, meta)


def _meta(place: Place) -> dict[str, Any]:
    try:
        return parse_meta(place.read())
    except ContentError as error:
        raise SourceError(f"{place.name} in {place.file}: {error.message}") from error


def _stored(entry: Entry, places: Mapping[str, Place], meta: Mapping[str, Any]) -> _Stored:
    variant, key = meta.get("variant", SOURCE_VARIANT), meta.get("source_key", entry.key)
    if not isinstance(variant, int) or isinstance(variant, bool) or variant < 0 or not isinstance(key, str):
        raise SourceError(f"{entry.name} says that it is variant {variant!r} of {key!r}", hint="was it edited by hand?")
    own = meta.get("source", meta)
    patient = own.get("patient", "") if isinstance(own, Mapping) else ""
    return _Stored(
        key=key,
        variant=variant,
        image=next(places[extension] for extension in IMAGE_EXTS if extension in places),
        mask=next((places[extension] for extension in MASK_EXTS if extension in places), None),
        size=(entry.height, entry.width),
        patient="" if patient is None else str(patient),
        mpp=Sample(key=key, image=b"", image_ext="", meta=meta).mpp,
        passed=variant == SOURCE_VARIANT and meta.get("variants") == 0,
    )
