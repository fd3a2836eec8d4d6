"""Slides on disk: files, folders that are searched, globs; a DICOM series is one slide."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from augengine.errors import SourceError
from augengine.storage import is_url, redact

SLIDE_EXTS = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm", ".czi")
"""What is taken for a slide in a folder. A file that is named itself, or by a glob, may be called anything."""

_WITH_FOLDERS = (".mrxs", ".vms", ".vmu")
"""Slides whose data lie in a folder of their name."""

_GLOB = "*?["
_GIVE = "name slides or folders of slides"
_COPY = "copy it to a disk first: OpenSlide and libvips read files; the output may be an URL"

# Explicit little endian, as scanners write it: the series's UID of a DICOM file, a short text near its beginning.
_SERIES = re.compile(rb"\x20\x00\x0e\x00UI(..)", re.DOTALL)
_DICOM_HEAD = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A slide's files, the one to open first; its name as the user sees it; and why it cannot be read, if so."""

    files: tuple[Path, ...]
    relative: str
    error: str = ""


def find_slides(names: Sequence[str]) -> list[Found]:
    """The slides that names stand for, in order, each file once.

    Raises:
        SourceError: A name that stands for nothing, or a folder that cannot be read.
    """
    slides: dict[Path, Found] = {}
    for name in names:
        for found in _expand(name):
            slides.setdefault(Path(os.path.realpath(found.files[0])), found)  # which bears links to themselves
    return list(slides.values())


def _expand(name: str) -> Iterator[Found]:
    if is_url(name):
        raise SourceError(f"the slide {redact(name)} is no file on a disk", hint=_COPY)
    path = Path(name)
    if path.is_file():
        yield Found(files=(path.absolute(),), relative=path.name)
    elif path.is_dir():
        yield from _below(path.absolute())
    elif any(sign in name for sign in _GLOB):
        yield from _matching(path)
    else:
        raise SourceError(f"there is no slide {name}", hint=_GIVE)


def _matching(pattern: Path) -> Iterator[Found]:
    root = Path(pattern.anchor or ".")
    matches = sorted(root.glob(str(pattern.relative_to(pattern.anchor) if pattern.anchor else pattern)))
    if not matches:
        raise SourceError(f"nothing matches {pattern}", hint=_GIVE)
    for match in matches:
        yield from _expand(str(match))


def _below(folder: Path) -> Iterator[Found]:
    if any(folder.with_name(folder.name + extension).is_file() for extension in _WITH_FOLDERS):
        return  # a slide's data, named together with it by `slides/*`
    files = [file for file in _walk(folder) if file.suffix.lower() in SLIDE_EXTS]
    if not files:
        raise SourceError(f"{folder} holds no slide ({', '.join(SLIDE_EXTS)})", hint="name the slides themselves")
    for group in _by_series(files):
        error = "" if group[0].is_file() else "it is a link to nothing"
        yield Found(files=tuple(group), relative=group[0].relative_to(folder).as_posix(), error=error)


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
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
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
        with file.open("rb") as stream:
            head = stream.read(_DICOM_HEAD)
    except OSError:
        return os.fsencode(file)
    if not (match := _SERIES.search(head)):
        return os.fsencode(file)
    return head[match.end() : match.end() + int.from_bytes(match.group(1), "little")]
