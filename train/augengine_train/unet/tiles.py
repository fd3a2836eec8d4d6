"""The tiles that a segmenter learns from, found in source shards and in shards that augengine wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from augengine.dataset.check import passes_through
from augengine.errors import ContentError, SourceError
from augengine.listing import Entry
from augengine.sample import SOURCE_VARIANT, Sample
from augengine.shards.origin import Origin
from augengine.shards.read import parse_meta, source_meta
from augengine.sources import TarsSource, open_source
from augengine.spec import AugmentSpec, NoiseSpec
from augengine_train.data.places import Place, open_binary, refuse_bad, spans_of

_SILENT = Sample(key="", image=b"", image_ext="")
_AUGMENT = "make shards of it: augengine augment --include-source, or augengine tile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One annotated tile, unread, with the variants that were written of it.

    Attributes:
        key: Key of the source sample.
        images: Where the images lie. 0 is the tile itself, and 1 ... n are its n variants in the order of their own
            numbers, of which a gate may have left out some.
        mask: Where its mask of class ids lies; all variants have the same.
        height, width: Size of the images in pixels.
        patient: Its patient, by its json; empty if that says nothing.
        mpp: Its um/px, by its json; None if that says nothing.
        passed: It was left out of the augmentation on purpose, or a gate left out all its variants: it has none.
        says: Its class as its json or its ``cls`` member says it, in the form that `passes_through` reads; no pixels.
    """

    key: str
    images: Mapping[int, Place]
    mask: Place
    height: int
    width: int
    patient: str = ""
    mpp: float | None = None
    passed: bool = False
    says: Sample = _SILENT

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
    written: int | None
    gated: bool
    says: Sample

    def is_copy_of(self, source: _Stored) -> bool:
        """Whether `augment` passed this through from that source: the same tile, and the same bytes if the same format.

        A source is no copy of another, nor is a copy of a copy.
        """
        if not self.passed or source.passed or (self.size, self.patient) != (source.size, source.patient):
            return False
        same_format = _extension(self.image.name) == _extension(source.image.name)
        return not same_format or self.image.read() == source.image.read()


def find_tiles(texts: Sequence[str]) -> tuple[Tile, ...]:
    """The tiles of some shards, each with the variants that any of them holds, sorted by key.

    Args:
        texts: Each a tar, a folder of tars, a brace pattern, a glob or an URL of tars. Sources and their variants
            may stand in different ones. A tile that was passed through may stand in both: its copy is taken.

    Raises:
        SourceError: Missing or unreadable, a tile without a mask, without its source, twice, or with gaps between
            its variants.
    """
    stored: dict[str, dict[int, _Stored]] = defaultdict(dict)
    copied: set[str] = set()
    for text in texts:
        for each in _read_shards(text):
            other = stored[each.key].get(each.variant)
            stored[each.key][each.variant] = each if other is None else _copy_of_both(each, other, copied, text)
    refuse_bad({key: reason for key, found in stored.items() if (reason := _why_bad(found))}, " ".join(texts))
    # A gate may have left all variants of a tile out: then nothing but the tile is there.
    gated = any(each.gated for found in stored.values() for each in found.values())
    tiles = (_tile(key, stored[key]) for key in sorted(stored))
    return tuple(replace(tile, passed=tile.passed or (gated and not tile.variants)) for tile in tiles)


def _copy_of_both(each: _Stored, other: _Stored, copied: set[str], text: str) -> _Stored:
    """The one that was passed through, where the other is its source and no third came before."""
    copies = [one for one, source in ((each, other), (other, each)) if one.is_copy_of(source)]
    if not copies or each.key in copied:
        what = f"variant {each.variant} of {each.key}" if each.variant else each.key
        raise SourceError(f"{text} holds {what} a second time", hint="name every shard once")
    copied.add(each.key)
    return copies[0]


def _why_bad(found: Mapping[int, _Stored]) -> str:
    if any(each.mask is None for each in found.values()):
        return "it has no mask (seg.png)"
    if SOURCE_VARIANT not in found:
        return "its variants are there, but not itself; name its source shards too, or augment with --include-source"
    missing = sorted(set(range(max(found))) - set(found))
    counts = {each.written for each in found.values() if each.variant != SOURCE_VARIANT}
    if missing and counts != {len(found) - 1}:
        return f"its variant {missing[0]} is missing, though later ones are there"
    if len({each.size for each in found.values()}) > 1:
        return f"its variants have several sizes: {sorted({each.size for each in found.values()})}"
    return ""


def _tile(key: str, found: Mapping[int, _Stored]) -> Tile:
    source = found[SOURCE_VARIANT]
    assert source.mask is not None
    return Tile(
        key=key,
        images={place: each.image for place, (_, each) in enumerate(sorted(found.items()))},
        mask=source.mask,
        height=source.size[0],
        width=source.size[1],
        patient=source.patient,
        mpp=source.mpp,
        passed=source.passed,
        says=source.says,
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
            places = {
                name: Place(name=name, file=url, offset=spans[name][0], size=spans[name][1]) for name, _ in entry.files
            }
            yield _stored(entry, places)


def _extension(name: str) -> str:
    return PurePosixPath(name).name.partition(".")[2].lower()


def _metas(place: Place | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """A sample's json, and what its source said of itself."""
    if place is None:
        return {}, {}
    try:
        meta = parse_meta(place.read())
        return meta, source_meta(meta)
    except ContentError as error:
        raise SourceError(f"{place.name} in {place.file}: {error.message}") from error


def _stored(entry: Entry, places: Mapping[str, Place]) -> _Stored:
    others = {_extension(name): place for name, place in places.items()}
    meta, own = _metas(others.get("json"))
    try:
        origin = Origin.read(meta, entry.key)
    except ContentError as error:
        raise SourceError(f"{entry.name}: {error.message}", hint=error.hint) from error
    patient = own.get("patient")
    return _Stored(
        key=origin.source_key,
        variant=origin.variant,
        image=places[entry.name],
        mask=places.get(entry.mask),
        size=(entry.height, entry.width),
        patient="" if patient is None else str(patient),
        mpp=Sample(key=origin.source_key, image=b"", image_ext="", meta=meta).mpp,
        passed=origin.passed,
        written=origin.written,
        gated="counterstain_ssim" in meta,
        says=_class_of(origin.source_key, others, own),
    )


def _class_of(key: str, places: Mapping[str, Place], own: Mapping[str, Any]) -> Sample:
    meta = {"class": own["class"]} if "class" in own else {}
    extras = {"cls": places["cls"].read()} if "cls" in places else {}
    return Sample(key=key, image=b"", image_ext="", meta=meta, extras=extras)


def pass_over(tiles: Sequence[Tile], classes: Sequence[str]) -> tuple[Tile, ...]:
    """The tiles, those of some classes marked as `augengine augment --skip-class` passes them through.

    Args:
        tiles: Any.
        classes: Names, as a tile's json or its ``cls`` member says them.
    """
    if not classes:
        return tuple(tiles)
    spec = AugmentSpec(stain="any", reference="any", noise=NoiseSpec(eps=1), skip_classes=tuple(classes))
    return tuple(replace(tile, passed=True) if passes_through(tile.says, spec) else tile for tile in tiles)
