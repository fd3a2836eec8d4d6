"""From what a user names to slides: each with its key, its annotations, its patient and its split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from augengine.annotations import LabelFinder
from augengine.digests import file_sha256
from augengine.errors import ContentError, SourceError
from augengine.jobs import failure_reason
from augengine.progress import counted
from augengine.sample import printable
from augengine.storage import open_plain
from augengine.tiling.finding import PICTURE_EXTS, SLIDE_EXTS, Found, find_slides
from augengine.tiling.keys import check_slide_key, distinct_keys, slide_key
from augengine.tiling.patients import PatientRow, Patients
from augengine.tiling.places import Place

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
        mpp: um/px of level 0 as the user states it for certain, which goes before what the slide says; None if not.
        mpp_if_unstated: um/px of level 0 if the slide does not say it; None if nobody knows then.
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
    mpp: float | None = None
    mpp_if_unstated: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The slides of a request, and what is to be said about how they were found."""

    slides: tuple[ListedSlide, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a user states about all slides.

    Attributes:
        annotations: Folder of annotation files, in folders as the slides or without; None looks beside each slide.
        wants_labels: Whether annotations are needed: a slide without is an error of that slide.
        patients: Whose slides they are, and perhaps their um/px.
        mpp: um/px of level 0, which goes before what slides say; a row of ``patients`` goes before it.
        mpp_if_unstated: um/px of level 0 of slides that do not say it.
    """

    annotations: Path | None = None
    wants_labels: bool = False
    patients: Patients | None = None
    mpp: float | None = None
    mpp_if_unstated: float | None = None


def list_slides(names: Sequence[str], given: Given) -> Listed:
    """The slides that a user names, in order: files, folders that are searched, globs; each file once.

    Slides that share a name or an annotation file stop no other: the former get keys that differ, the latter fail.

    Args:
        names: Files, folders and globs, as the user typed them.
        given: What is known of all of them.

    Raises:
        SourceError: A name that stands for nothing, a slide without a patient, or one slide in two splits.
    """
    annotations = given.annotations
    if annotations is not None and not annotations.is_dir():
        hint = "--annotations is a folder of annotation files on a disk"
        raise SourceError(f"there is no folder {annotations}", hint=hint)
    beside = LabelFinder(None)
    finder = beside if annotations is None else LabelFinder(annotations.absolute())
    search = find_slides(names, (beside,) if annotations is None else (beside, finder))
    keys = distinct_keys([found.relative for found in search.slides], [str(f.files[0]) for f in search.slides])
    slides = [
        _listed(found, key, finder if given.wants_labels else None)
        for found, key in zip(search.slides, keys, strict=True)
    ]
    rows = _rows(search.slides, given)
    slides = [_known(slide, given, row) for slide, row in zip(slides, rows, strict=True)]
    slides = _apart_by_labels(slides)
    _check_splits(slides)
    notes = [*search.notes, *_said_of_keys(search.slides, keys)]
    if not given.wants_labels and (lying := _with_outlines(search.slides)):
        notes.append(f"annotations of {counted(lying, 'slide')} were not read: no --classes were given")
    notes += _said_of_rows(given.patients, rows)
    return Listed(slides=tuple(slides), notes=tuple(notes))


def _said_of_rows(patients: Patients | None, rows: Sequence[PatientRow | None]) -> Iterator[str]:
    """Which rows of the patients' file are of no slide: a misspelt name, where a glob has its slide, is seen so."""
    unused = [row.file for row in patients.rows if row not in rows] if patients is not None else []
    if unused:
        shown = ", ".join(unused[:3]) + (" ..." if len(unused) > 3 else "")
        verb = "is" if len(unused) == 1 else "are"
        yield f"{counted(len(unused), 'row')} of the patients' file {verb} of no slide: {shown}"


def _with_outlines(found: Sequence[Found]) -> int:
    """How many slides have a file of outlines of their name beside them, a zip or a table included."""
    finders = {folder: LabelFinder(folder) for folder in {each.files[0].parent for each in found}}
    candidates = (finders[each.files[0].parent].candidates(each.files[0]) for each in found)
    return sum(any(file.suffix.lower() not in (*SLIDE_EXTS, *PICTURE_EXTS) for file in files) for files in candidates)


def _listed(found: Found, key: str, finder: LabelFinder | None) -> ListedSlide:
    path = found.files[0]
    slide = ListedSlide(key=key, path=printable(str(path)), error=found.error)
    if slide.error:
        return slide
    try:
        check_slide_key(slide.key, path.name)
        slide = replace(slide, size=sum(file.stat().st_size for file in found.files), fingerprint=fingerprint(path))
        return _labelled(slide, found, finder) if finder is not None else slide
    except OSError as error:
        return replace(slide, error=f"it cannot be read: {error.strerror or error}")
    except (ContentError, SourceError) as error:
        return replace(slide, error=failure_reason(error))


def _rows(found: Sequence[Found], given: Given) -> Sequence[PatientRow | None]:
    if given.patients is None:
        return [None] * len(found)
    return given.patients.rows_of(_paths(found), "the slides")


def _paths(found: Sequence[Found]) -> list[str]:
    """The slides' paths as the patients' file has them; where some are alike, with the folders above them."""
    names = [each.relative for each in found]
    parts = [each.files[0].parts for each in found]
    for more in range(1, max(map(len, parts), default=1)):
        count = Counter(names)
        names = [
            "/".join(own[-(each.relative.count("/") + 1 + more) :]) if count[name] > 1 else name
            for each, own, name in zip(found, parts, names, strict=True)
        ]
    return names


def _known(slide: ListedSlide, given: Given, row: PatientRow | None) -> ListedSlide:
    """A slide with its patient and its um/px, as far as the user states them."""
    slide = replace(slide, mpp=given.mpp, mpp_if_unstated=given.mpp_if_unstated)
    if row is None:
        return slide
    return replace(slide, patient=row.patient, split=row.split, mpp=row.mpp or given.mpp)


def _said_of_keys(found: Sequence[Found], keys: Sequence[str]) -> Iterator[str]:
    """Which slides share a name, and what tells their tiles apart."""
    other = [key for each, key in zip(found, keys, strict=True) if key != slide_key(each.relative)]
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        yield f"{len(other)} slides share their names: their tiles are called {', '.join(other[:3])}{more}"


def fingerprint(file: Path) -> str:
    """A digest of a file's size and of blocks spread over it; equal for copies, at the cost of a megabyte.

    Raises:
        OSError: It cannot be read.
    """
    size = file.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with open_plain(file) as stream:
        for number in range(_BLOCKS):
            stream.seek(max(0, size - _BLOCK) * number // (_BLOCKS - 1))
            digest.update(stream.read(_BLOCK))
    return digest.hexdigest()


def _labelled(slide: ListedSlide, found: Found, finder: LabelFinder) -> ListedSlide:
    path = found.files[0]
    labels = finder.find(path, found.below)
    if labels is None:
        where = "--annotations names the folder that they are in"
        return replace(slide, error=f"it has no annotation file in {finder.place(path, found.below)} ({where})")
    return replace(slide, labels=str(labels), labels_digest=file_sha256(labels))


def _apart_by_labels(slides: Sequence[ListedSlide]) -> list[ListedSlide]:
    """The slides, where those that share an annotation file have an error."""
    count = Counter(slide.labels for slide in slides if slide.labels)

    def checked(slide: ListedSlide) -> ListedSlide:
        if not slide.labels or count[slide.labels] == 1:
            return slide
        way = f"name it {Path(slide.path).name}{Path(slide.labels).suffix}, or use folders as the slides have them"
        return replace(slide, error=f"{slide.labels} fits {count[slide.labels]} slides ({way})")

    return [checked(slide) for slide in slides]


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
