"""From what a user names to slides: each with its key, its annotations, its patient and its split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from augengine.annotations import find_labels
from augengine.errors import ContentError, SourceError
from augengine.patients import Patients
from augengine.sample import check_key, clean_key, make_key
from augengine.tiling.places import Place

SLIDE_EXTS = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm", ".czi")
"""What is taken for a slide in a folder. A file that is named itself, or by a glob, may be called anything."""

_GLOB = "*?["


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSlide:
    """A slide that is to be tiled; nothing but its name and its size was looked at.

    Attributes:
        key: Unique; begins the keys of its tiles and the names of its shards.
        path: The file.
        size: Its bytes.
        labels: Its annotations; None if none were asked for.
        patient, split: By the patients' file; empty without one.
        error: Why it cannot be tiled, as far as names tell.
    """

    key: str
    path: str
    size: int
    labels: str | None = None
    patient: str = ""
    split: str = ""
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


def list_slides(
    names: Sequence[str], *, annotations: Path | None, wants_labels: bool, patients: Patients | None
) -> tuple[ListedSlide, ...]:
    """The slides that a user names, in order: files, folders that are searched, globs.

    Args:
        names: As typed.
        annotations: Folder of annotation files; None looks beside each slide.
        wants_labels: Whether annotations are needed: a slide without is an error of that slide.
        patients: Whose slides they are.

    Raises:
        SourceError: A name that stands for nothing, two slides of one key, or a slide without a patient.
    """
    if annotations is not None and not annotations.is_dir():
        raise SourceError(f"there is no folder {annotations}", hint="--annotations is a folder of annotation files")
    found = list(dict.fromkeys(pair for name in names for pair in _expand(name)))
    _check_unique(found)
    slides = [_listed(key, path, annotations, wants_labels) for key, path in found]
    if patients is None:
        return tuple(slides)
    return tuple(_of_patient(slide, patients) for slide in slides)


def _expand(name: str) -> Iterator[tuple[str, Path]]:
    path = Path(name)
    if path.is_file():
        yield clean_key(path.stem), path.absolute()
    elif path.is_dir():
        yield from _below(path.absolute())
    elif any(sign in name for sign in _GLOB):
        root = Path(path.anchor or ".")
        matches = sorted(root.glob(str(path.relative_to(path.anchor) if path.anchor else path)))
        if not matches:
            raise SourceError(f"nothing matches {name}", hint="name slides or folders of slides")
        for match in matches:
            yield from _expand(str(match))
    else:
        raise SourceError(f"there is no slide {name}", hint="name slides or folders of slides")


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Slides anywhere in a folder; of the many files of a DICOM series the first."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix.lower() in SLIDE_EXTS)
    visible = [file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    series: set[Path] = set()
    slides = [file for file in visible if not _repeats(file, series)]
    if not slides:
        raise SourceError(f"{folder} holds no slide ({', '.join(SLIDE_EXTS)})", hint="name the slides themselves")
    for file in slides:
        yield make_key(file.relative_to(folder).as_posix()), file


def _repeats(file: Path, series: set[Path]) -> bool:
    if file.suffix.lower() != ".dcm":
        return False
    known = file.parent in series
    series.add(file.parent)
    return known


def _check_unique(found: Sequence[tuple[str, Path]]) -> None:
    for key, count in Counter(key for key, _ in found).items():
        if count > 1:
            first, second, *_ = (path for each, path in found if each == key)
            hint = "rename one, or name the folder above both: keys are then made from the relative paths"
            raise SourceError(f"{first} and {second} have the same key {key!r}", hint=hint)


def _listed(key: str, path: Path, annotations: Path | None, wants_labels: bool) -> ListedSlide:
    size = path.stat().st_size
    try:
        check_key(f"{key}_x000000_y000000")
        labels = find_labels(path, annotations) if wants_labels else None
    except (ContentError, SourceError) as error:
        return ListedSlide(key=key, path=str(path), size=size, error=error.message)
    if wants_labels and labels is None:
        where = annotations or path.parent
        error_text = f"it has no annotation file in {where}"
        return ListedSlide(key=key, path=str(path), size=size, error=error_text)
    return ListedSlide(key=key, path=str(path), size=size, labels=None if labels is None else str(labels))


def _of_patient(slide: ListedSlide, patients: Patients) -> ListedSlide:
    ((patient, split),) = patients.split([Path(slide.path).name], "the slides")
    return replace(slide, patient=patient, split=split)


def tile_key(slide: ListedSlide, place: Place) -> str:
    """The key of a tile: its slide and its corner in level-0 pixels, so that no two tiles of a kind share one."""
    return f"{slide.key}_x{place.x}_y{place.y}"
