"""Slides on disk: files, folders that are searched, globs; a DICOM series is one slide."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from augengine.annotations import LabelFinder
from augengine.errors import SourceError
from augengine.progress import counted
from augengine.shards.pairing import pair_masks
from augengine.spec import MASK_SUFFIX
from augengine.storage import is_url, open_plain, redact

SLIDE_EXTS = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm", ".czi")
"""What is taken for a slide in a folder. A file that is named itself, or by a glob, may be called anything."""

PICTURE_EXTS = (".png", ".jpg", ".jpeg")
"""What is taken in a folder that holds no slide: beside slides these are previews and labels."""

_WITH_FOLDERS = (".mrxs", ".vms", ".vmu")
"""Slides whose data lie in a folder of their name."""

_STORES = (".zarr",)
"""Folders that are one picture each, of a kind that is not read."""

_BYSTANDERS = (
    *(".geojson", ".json", ".xml", ".roi", ".zip", ".csv", ".tsv", ".annotations", ".ndpa", ".qpproj", ".qpdata"),
    *(".txt", ".md", ".rst", ".log", ".pdf", ".html", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xls", ".xlsx"),
    *(".doc", ".docx", ".py", ".ipynb", ".sh", ".r", ".m", ".groovy", ".md5", ".sha256", ".db", ".bak", ".tmp"),
)
"""What lies beside slides and is plainly none. Files of all other kinds are counted and named."""

_KINDS_SHOWN = 8
_GLOB = "*?["
_GIVE = "name slides or folders of slides"
_COPY = "copy it to a disk first: OpenSlide and libvips read files; the output may be an URL"
_CONVERT = "export it as OME-TIFF or pyramidal TIFF, with QuPath or bfconvert"

# Explicit little endian, as scanners write it: the series's UID of a DICOM file, a short text near its beginning.
_SERIES = re.compile(rb"\x20\x00\x0e\x00UI(..)", re.DOTALL)
_DICOM_HEAD = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A slide's files, the one to open first; its name as the user sees it; and why it cannot be read, if so."""

    files: tuple[Path, ...]
    relative: str
    error: str = ""

    @property
    def below(self) -> str:
        """The folder that it lies in, below the one that the user named."""
        return self.relative.rpartition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What the names of slides stand for.

    Attributes:
        slides: The slides, in order, each file once.
        notes: What was left out, a sentence each.
    """

    slides: tuple[Found, ...]
    notes: tuple[str, ...] = ()


def find_slides(names: Sequence[str], finders: Sequence[LabelFinder] = ()) -> Search:
    """The slides that names stand for.

    Args:
        names: Files, folders that are searched, and globs.
        finders: They know which files annotate a slide: those are no slides themselves.

    Raises:
        SourceError: A name that stands for nothing, or a folder that cannot be read.
    """
    slides: dict[Path, Found] = {}
    aside = _Aside()
    for name in names:
        for found in _expand(name, finders, aside):
            slides.setdefault(Path(os.path.realpath(found.files[0])), found)  # which bears links to themselves
    kept, labels = _apart(list(slides.values()), finders)
    aside.labels += labels
    return Search(slides=tuple(kept), notes=tuple(aside.notes()))


@dataclass(slots=True)
class _Aside:
    """What was seen in the search and is no slide."""

    kinds: Counter[str] = field(default_factory=Counter)
    labels: list[Found] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        if self.kinds:
            yield f"{_counted_kinds(self.kinds)} left out"
        if names := list(dict.fromkeys(label.relative for label in self.labels)):
            annotates = "annotates a slide and was" if len(names) == 1 else "annotate slides and were"
            yield f"{counted(len(names), 'picture')} {annotates} not cut, such as {names[0]}"


def _counted_kinds(others: Counter[str]) -> str:
    """For the beginning of a sentence: ``2 files of other kinds (.isyntax, .vsi) were``."""
    kinds = ", ".join(sorted(others)[:_KINDS_SHOWN]) + (", ..." if len(others) > _KINDS_SHOWN else "")
    total = others.total()
    return f"{counted(total, 'file')} of other kinds ({kinds}) {'was' if total == 1 else 'were'}"


def _apart(found: Sequence[Found], finders: Sequence[LabelFinder]) -> tuple[list[Found], list[Found]]:
    """Slides, and the files that annotate another one of them; two that would annotate each other are slides."""
    listed = {each.files[0] for each in found}
    owners: dict[Path, set[Path]] = {}
    for each in found:
        for file in {file for finder in finders for file in finder.candidates(each.files[0], each.below)} & listed:
            owners.setdefault(file, set()).add(each.files[0])
    labels = {file for file, of in owners.items() if any(file not in owners.get(slide, ()) for slide in of)}
    labels |= _in_folders_of_masks(listed)
    return [each for each in found if each.files[0] not in labels], [each for each in found if each.files[0] in labels]


def _in_folders_of_masks(files: Collection[Path]) -> set[Path]:
    """The files that are masks by their folder: ``masks/s1.tif`` beside ``slides/s1.tif`` or ``s1.tif``."""
    named = {file.with_suffix("").as_posix(): file for file in files}
    pairs = pair_masks(named, named, MASK_SUFFIX)
    return {named[mask] for mask in pairs.sound if named[mask].parent != named[pairs.images[mask]].parent}


def _expand(name: str, finders: Sequence[LabelFinder], aside: _Aside) -> Iterator[Found]:
    if is_url(name):
        raise SourceError(f"the slide {redact(name)} is no file on a disk", hint=_COPY)
    path = Path(name)
    if path.is_file():
        yield Found(files=(path.absolute(),), relative=path.name)
    elif path.suffix.lower() in _STORES and path.is_dir():
        raise SourceError(f"{path} is of a kind that is not read ({path.suffix})", hint=_CONVERT)
    elif path.is_dir():
        yield from _below(path.absolute(), finders, aside)
    elif any(sign in name for sign in _GLOB):
        yield from _matching(path, finders, aside)
    else:
        raise SourceError(f"there is no slide {name}", hint=_GIVE)


def _matching(pattern: Path, finders: Sequence[LabelFinder], aside: _Aside) -> Iterator[Found]:
    root = Path(pattern.anchor or ".")
    matches = sorted(root.glob(str(pattern.relative_to(pattern.anchor) if pattern.anchor else pattern)))
    if not matches:
        raise SourceError(f"nothing matches {pattern}", hint=_GIVE)
    for match in matches:
        yield from _expand(str(match), finders, aside)


def _below(folder: Path, finders: Sequence[LabelFinder], aside: _Aside) -> Iterator[Found]:
    """The slides in a folder, or its pictures if it holds no slide; files of other kinds are counted."""
    if _is_data(folder):
        return  # named together with its slide by `slides/*`
    files = list(_walk(folder))
    possible = [file for file in files if file.suffix.lower() in (*SLIDE_EXTS, *PICTURE_EXTS)]
    groups = [_found(group, folder) for group in _by_series(possible)]
    slides, labels = _apart(groups, finders)
    if any(_is_slide(each) for each in slides):
        slides = [each for each in slides if _is_slide(each)]
    taken = {file for each in (*slides, *labels) for file in each.files}
    here = Counter(file.suffix.lower() for file in files if file not in taken)
    here = Counter({kind: count for kind, count in here.items() if kind and kind not in _BYSTANDERS})
    if not slides:
        beside = f"; {_counted_kinds(here)} not read" if here else ""
        raise SourceError(
            f"{folder} holds no slide ({', '.join((*SLIDE_EXTS, *PICTURE_EXTS))}){beside}",
            hint=_CONVERT.replace("it", "them", 1) if here else "name the slides themselves",
        )
    aside.kinds.update(here)
    aside.labels += labels
    yield from slides


def _is_slide(found: Found) -> bool:
    return found.files[0].suffix.lower() in SLIDE_EXTS


def _found(group: Sequence[Path], folder: Path) -> Found:
    error = "" if group[0].is_file() else "it is a link to nothing"
    return Found(files=tuple(group), relative=group[0].relative_to(folder).as_posix(), error=error)


def _is_data(folder: Path) -> bool:
    """Whether a folder holds the data of a slide that lies beside it."""
    return any(folder.with_name(folder.name + extension).is_file() for extension in _WITH_FOLDERS)


def _walk(folder: Path) -> Iterator[Path]:
    """Files anywhere below, links followed, what is hidden left out, in the order of their paths."""

    def fail(error: OSError) -> None:
        raise SourceError(
            f"{error.filename} cannot be read: {error.strerror}", hint="change its permissions"
        ) from error

    seen: set[Path] = set()
    files: list[Path] = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        real = Path(os.path.realpath(place))
        below = [Path(place) / name for name in sorted(folders) if not name.startswith(".") and real not in seen]
        stores = [each for each in below if each.suffix.lower() in _STORES]
        folders[:] = [each.name for each in below if each not in stores and not _is_data(each)]
        files += stores if real not in seen else []
        files += [] if real in seen else [Path(place) / name for name in names if not name.startswith(".")]
        seen.add(real)
    yield from sorted(files)


def _by_series(files: Sequence[Path]) -> list[list[Path]]:
    """The files of each slide: one, but for DICOM, whose series has a file a level and more."""
    groups: dict[object, list[Path]] = {}
    for file in files:
        series = (file.parent, _series_of(file)) if file.suffix.lower() == ".dcm" else file
        groups.setdefault(series, []).append(file)
    return list(groups.values())


def _series_of(file: Path) -> bytes:
    """The UID of a DICOM file's series, or the file's own name where it is not found."""
    try:
        with open_plain(file) as stream:
            head = stream.read(_DICOM_HEAD)
    except OSError:
        return os.fsencode(file)
    if not (match := _SERIES.search(head)):
        return os.fsencode(file)
    return head[match.end() : match.end() + int.from_bytes(match.group(1), "little")]
