"""A slide's report: what it is, what is annotated on it, which tiles are cut from it; and where that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from augengine.digests import file_sha256, json_digest
from augengine.errors import ShardError, SourceError, SpecError
from augengine.json_values import from_json, to_json
from augengine.shards.layout import OWN_FOLDER, spool_folder
from augengine.shards.records import read_json, write_json
from augengine.shards.write import publish, target_errors
from augengine.storage import AnyPath, size_of
from augengine.tiling.listing import ListedSlide, fingerprint
from augengine.tiling.places import Place

_FOLDER = "slides"
_STATED = {"places", "problems", "present"}
"""What a survey's json always states: without it a slide would have no tiles, and nobody would say so."""

_MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A slide's report: everything that decides its tiles.

    Attributes:
        slide: Which slide.
        spec: Digest of the `TileSpec`.
        format: What kind of file it is.
        width, height: Size of level 0 in pixels.
        slide_mpp, mpp: um/px of level 0, and of the tiles.
        downsample: Level-0 pixels that a tile's pixel is wide.
        objects: Annotated objects by class, those that nobody asked for included; None without annotations.
        present: The classes asked for that have objects. A sub-class counts for those that contain it.
        places: The tiles, in the order in which they are written.
        problems: What could not be done as asked, a sentence each: annotations left out, negatives not found ...
        error: Why the slide gives no tile at all; empty if it does.
    """

    slide: ListedSlide
    spec: str
    format: str = ""
    width: int = 0
    height: int = 0
    slide_mpp: float = 0.0
    mpp: float = 0.0
    downsample: float = 0.0
    objects: Mapping[str, int] | None = None
    present: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    problems: tuple[str, ...] = ()
    error: str = ""


def read_survey(folder: AnyPath, key: str) -> Survey | None:
    """A slide's survey, or None if it has none that is whole."""
    file = _file(folder, key, "json")
    if size_of(file) is None:
        return None
    with suppress(ShardError, SpecError):
        data = read_json(file)
        survey = from_json(Survey, data)
        return survey if data.keys() >= _STATED else None
    return None


def thumbnail_file(folder: AnyPath, key: str) -> AnyPath:
    """Where the picture of a slide's tiles lies."""
    return _file(folder, key, "png")


def _file(folder: AnyPath, key: str, extension: str) -> AnyPath:
    # A key that is refused may be no file's name.
    name = key if len(key.encode(errors="replace")) <= _MAX_NAME and "\\" not in key else json_digest(key)
    return folder / OWN_FOLDER / _FOLDER / f"{name}.{extension}"


def write_survey(folder: AnyPath, survey: Survey) -> None:
    """Keep a slide's survey.

    Raises:
        TargetError: It cannot be written.
    """
    file = _file(folder, survey.slide.key, "json")
    _make_parent(file)
    write_json(file, to_json(survey), spool_folder(folder))


def write_thumbnail(folder: AnyPath, key: str, png: bytes) -> None:
    """Keep the picture of a slide's tiles; through the spool, so that no killed run leaves half of it.

    Raises:
        TargetError: It cannot be written.
    """
    file, spool = thumbnail_file(folder, key), spool_folder(folder)
    _make_parent(file)
    with target_errors(file):
        unfinished = spool / f"{file.name}.part"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(png)
    publish(unfinished, file)


def _make_parent(file: AnyPath) -> None:
    if isinstance(file, Path):  # a store has no folders
        with target_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)


def check_unchanged(survey: Survey) -> None:
    """Refuse to cut a slide that is not what it was when it was surveyed.

    Raises:
        SourceError: It, or what was drawn on it, was changed since.
    """
    slide = survey.slide
    if fingerprint(Path(slide.path)) != slide.fingerprint:
        hint = "restore it, or tile into another folder"
        raise SourceError(f"{slide.path} is not the slide it was when it was surveyed", hint=hint)
    if slide.labels is not None and file_sha256(Path(slide.labels)) != slide.labels_digest:
        hint = "restore them, or tile into another folder"
        raise SourceError(f"the annotations {slide.labels} were changed after the slide was surveyed", hint=hint)
