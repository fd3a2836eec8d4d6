"""From what a user names to slides: each with its key, its annotations, its patient and its split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from augengine.annotations import find_labels
from augengine.digests import file_sha256
from augengine.errors import ContentError, SourceError
from augengine.patients import Patients
from augengine.sample import check_key, clean_key, make_key, printable
from augengine.tiling.finding import Found, find_slides
from augengine.tiling.places import Place

_CORNER = "_x0000000_y0000000"
"""What a tile's key adds to its slide's, at the longest that slides are."""

_DIGEST_BYTES = 4
_BLOCK, _BLOCKS = 1 << 16, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSlide:
    """A slide that is to be tiled; it was not opened yet.

    Attributes:
        key: Unique; begins the keys of its tiles and the names of its shards.
        path: The file.
        size: Bytes of all its files.
        fingerprint: Tells it from another slide of its name and size: a digest of some blocks of the file.
        labels: Its annotations; None if none were asked for.
        labels_digest: sha256 of that file.
        patient, split: By the patients' file; empty without one.
        error: Why it cannot be tiled, as far as names tell.
    """

    key: str
    path: str
    size: int = 0
    fingerprint: str = ""
    labels: str | None = None
    labels_digest: str = ""
    patient: str = ""
    split: str = ""
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


def list_slides(
    names: Sequence[str], *, annotations: Path | None, wants_labels: bool, patients: Patients | None
) -> tuple[ListedSlide, ...]:
    """The slides that a user names, in order: files, folders that are searched, globs; each file once.

    Args:
        names: Files, folders and globs, as the user typed them.
        annotations: Folder of annotation files, in folders as the slides or without; None looks beside each slide.
        wants_labels: Whether annotations are needed: a slide without is an error of that slide.
        patients: Whose slides they are.

    Raises:
        SourceError: A name that stands for nothing, two slides of one key, one annotation file for two slides, a slide
            without a patient, or one slide in two splits.
    """
    if annotations is not None and not annotations.is_dir():
        hint = "--annotations is a folder of annotation files on a disk"
        raise SourceError(f"there is no folder {annotations}", hint=hint)
    found = find_slides(names)
    slides = [_listed(each, annotations, wants_labels) for each in found]
    _check_different(slides, "key", hint="name the folder above both: keys are then made from the relative paths")
    _check_different(slides, "labels", hint="lay annotations out in folders as the slides are")
    if patients is not None:
        names_of = patients.of_files([each.relative for each in found], "the slides")
        slides = [replace(s, patient=p, split=split) for s, (p, split) in zip(slides, names_of, strict=True)]
    _check_splits(slides)
    return tuple(slides)


def _listed(found: Found, annotations: Path | None, wants_labels: bool) -> ListedSlide:
    path = found.files[0]
    slide = ListedSlide(key=_key(found.relative), path=printable(str(path)), error=found.error)
    if slide.error:
        return slide
    try:
        check_key(slide.key + _CORNER)
        slide = replace(slide, size=sum(file.stat().st_size for file in found.files), fingerprint=fingerprint(path))
        return _labelled(slide, found, annotations) if wants_labels else slide
    except OSError as error:
        return replace(slide, error=f"it cannot be read: {error.strerror or error}")
    except (ContentError, SourceError) as error:
        return replace(slide, error=error.message)


def _key(relative: str) -> str:
    """The key of a slide, made shorter where tiles' keys would not fit into a shard: its end and a digest."""
    key = make_key(relative).replace(":", "_")
    try:
        check_key(key + _CORNER)
    except ContentError:
        digest = hashlib.blake2b(key.encode(errors="replace"), digest_size=_DIGEST_BYTES).hexdigest()
        short = clean_key(key.encode(errors="replace")[-40:].decode(errors="ignore"))
        return f"{short}_{digest}" if key.isprintable() and "\\" not in key else key
    return key


def fingerprint(file: Path) -> str:
    """A digest of a file's size and of blocks spread over it; equal for copies, at the cost of a megabyte.

    Raises:
        OSError: It cannot be read.
    """
    size = file.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with file.open("rb") as stream:
        for number in range(_BLOCKS):
            stream.seek(max(0, size - _BLOCK) * number // (_BLOCKS - 1))
            digest.update(stream.read(_BLOCK))
    return digest.hexdigest()


def _labelled(slide: ListedSlide, found: Found, annotations: Path | None) -> ListedSlide:
    path, place = found.files[0], annotations
    if annotations is not None and (own := annotations / Path(found.relative).parent).is_dir():
        place = own
    labels = find_labels(path, place)
    if labels is None:
        return replace(slide, error=f"it has no annotation file in {place or path.parent}")
    return replace(slide, labels=str(labels), labels_digest=file_sha256(labels))


def _check_different(slides: Sequence[ListedSlide], name: str, *, hint: str) -> None:
    seen: dict[str, str] = {}
    for slide in slides:
        if value := getattr(slide, name):
            if value in seen:
                raise SourceError(f"{seen[value]} and {slide.path} have the same {name}: {value}", hint=hint)
            seen[value] = slide.path


def _check_splits(slides: Sequence[ListedSlide]) -> None:
    seen: dict[str, ListedSlide] = {}
    for slide in slides:
        first = seen.setdefault(slide.fingerprint, slide)
        if slide.fingerprint and slide.split != first.split:
            raise SourceError(
                f"{first.path} ({first.split}) and {slide.path} ({slide.split}) are one slide, in two splits",
                hint="leave one of them out",
            )


def tile_key(slide: ListedSlide, place: Place) -> str:
    """The key of a tile: its slide and its corner in level-0 pixels, so that no two tiles of a slide share one."""
    return f"{slide.key}_x{place.x}_y{place.y}"
