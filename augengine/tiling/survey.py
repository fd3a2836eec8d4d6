"""A slide looked at once: what it is, what is annotated on it, and which tiles are cut from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from augengine.annotations import Box, Labels, open_labels
from augengine.digests import json_digest
from augengine.errors import ContentError, ShardError, TargetError
from augengine.jobs import failure_reason
from augengine.pictures.encode import encode_image
from augengine.shards.layout import OWN_FOLDER, spool_folder
from augengine.shards.records import read_json, write_json
from augengine.shards.write import publish, target_errors
from augengine.slides import Scale, Slide, open_slide
from augengine.storage import AnyPath, size_of
from augengine.tiling.listing import ListedSlide
from augengine.tiling.places import Fits, Frame, Place, Rectangle, Tissue, as_places, centred, clear_of, drawn, grid
from augengine.tiling.spec import BACKGROUND, NEGATIVE, TISSUE, TileSpec
from augengine.tiling.thumbnail import draw_places, read_thumbnail

_FOLDER = "slides"
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
        objects: Annotated objects a class.
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
    places: tuple[Place, ...] = ()
    problems: tuple[str, ...] = ()
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        places = [[place.x, place.y, place.kind] for place in self.places]
        return asdict(self) | {"places": places, "problems": list(self.problems)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        places = tuple(Place(int(x), int(y), str(kind)) for x, y, kind in data["places"])
        slide = ListedSlide.from_json(data["slide"])
        return cls(**{**data, "slide": slide, "places": places, "problems": tuple(data["problems"])})


def survey_slide(slide: ListedSlide, spec: TileSpec, folder: AnyPath) -> Survey:
    """Survey a slide, or take up an earlier survey of it; what fails becomes the survey's ``error``.

    Args:
        slide: Which one.
        spec: What is wanted.
        folder: The dataset; survey and thumbnail are written below it.

    Raises:
        TargetError: They cannot be written.
    """
    if (before := read_survey(folder, slide.key)) and _still_holds(before, slide, spec):
        return before
    found = Survey(slide=slide, spec=spec.digest, error=slide.error)
    if not slide.error:
        try:
            found = _look(slide, spec, folder)
        except TargetError:
            raise
        except Exception as error:  # noqa: BLE001 - one slide stops no other: a failure becomes its report
            found = replace(found, error=failure_reason(error))
    file = _file(folder, slide.key, "json")
    _make_parent(file)
    write_json(file, found.to_json(), spool_folder(folder))
    return found


def _still_holds(before: Survey, slide: ListedSlide, spec: TileSpec) -> bool:
    """A survey that failed is made anew: the slide may have been mended."""
    return not before.error and before.spec == spec.digest and before.slide == slide


def read_survey(folder: AnyPath, key: str) -> Survey | None:
    """A slide's survey, or None if it has none that can be read."""
    file = _file(folder, key, "json")
    if size_of(file) is None:
        return None
    with suppress(ShardError, KeyError, TypeError, ValueError):
        return Survey.from_json(read_json(file))
    return None


def thumbnail_file(folder: AnyPath, key: str) -> AnyPath:
    """Where the picture of a slide's tiles lies."""
    return _file(folder, key, "png")


def _file(folder: AnyPath, key: str, extension: str) -> AnyPath:
    # A key that is refused may be no file's name.
    name = key if len(key.encode(errors="replace")) <= _MAX_NAME and "\\" not in key else json_digest(key)
    return folder / OWN_FOLDER / _FOLDER / f"{name}.{extension}"


def _look(listed: ListedSlide, spec: TileSpec, folder: AnyPath) -> Survey:
    with open_slide(Path(listed.path), mpp=spec.slide_mpp) as slide:
        scale = slide.scale(spec.mpp)
        frame = _frame(slide, scale, spec)
        thumbnail = read_thumbnail(slide, frame.side)
        if thumbnail.is_dark and not spec.allow_dark:
            hint = "brightfield slides are tiled; --allow-dark takes it, and all of it as tissue"
            raise ContentError("its ground is dark, as under fluorescence", hint=hint)
        labels = slide_labels(listed, slide, spec)
        choice = _Choice(spec, frame, thumbnail.tissue(spec.tissue_density), labels, listed.key)
        places = choice.places()
        picture = draw_places(thumbnail, places, frame.side)
        _write_picture(thumbnail_file(folder, listed.key), spool_folder(folder), encode_image(picture, "png"))
        return Survey(
            slide=listed,
            spec=spec.digest,
            format=slide.format,
            width=slide.width,
            height=slide.height,
            slide_mpp=slide.mpp or 0.0,
            mpp=scale.mpp,
            downsample=scale.downsample,
            objects=None if labels is None else {name: len(labels.objects(name)) for name, _ in spec.classes},
            places=tuple(places),
            problems=(*(() if labels is None else labels.problems), *choice.problems),
        )


def _frame(slide: Slide, scale: Scale, spec: TileSpec) -> Frame:
    step = scale.downsample / scale.factor
    frame = Frame(width=slide.width, height=slide.height, side=spec.size * scale.downsample, step=step)
    if not frame.holds_a_tile:
        width, height = (int(extent / scale.downsample) for extent in (slide.width, slide.height))
        raise ContentError(
            f"it has {width} x {height} px at {scale.mpp:g} um/px, a tile has {spec.size}",
            hint="a smaller --size, or a finer --mpp",
        )
    return frame


def slide_labels(listed: ListedSlide, slide: Slide, spec: TileSpec) -> Labels | None:
    """The annotations of a slide, if it has any."""
    if listed.labels is None:
        return None
    return open_labels(
        Path(listed.labels),
        slide_width=slide.width,
        slide_height=slide.height,
        default_class=spec.default_class,
        scanned_from=slide.scanned_from,
    )


def _write_picture(file: AnyPath, spool: Path, data: bytes) -> None:
    """Through the spool, so that no killed run leaves half a picture."""
    _make_parent(file)
    with target_errors(file):
        unfinished = spool / f"{file.name}.part"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
    publish(unfinished, file)


def _make_parent(file: AnyPath) -> None:
    if isinstance(file, Path):  # a store has no folders
        with target_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)


class _Choice:
    """Chooses a slide's tiles by a spec, and remembers what it could not do."""

    def __init__(self, spec: TileSpec, frame: Frame, tissue: Tissue, labels: Labels | None, key: str) -> None:
        self._spec, self._frame, self._tissue, self._key = spec, frame, tissue, key
        self._labels = labels
        self._clear = clear_of(self._objects(), frame.side)
        self.problems: list[str] = []

    def places(self) -> list[Place]:
        """The places of all tiles, in the order in which they are written; no two with the same corner."""
        chosen: dict[tuple[int, int], Place] = {}
        for place in self._all():
            chosen.setdefault((place.x, place.y), place)
        return list(chosen.values())

    def _all(self) -> Iterator[Place]:
        if self._spec.random:
            yield from self._draw(self._spec.random, TISSUE, self._has_tissue)
        elif self._spec.centred_on:
            yield from self._around_objects(self._spec.centred_on)
        else:
            yield from self._grid()
        yield from self._draw(self._spec.background, BACKGROUND, self._is_glass)

    def _grid(self) -> Iterator[Place]:
        corners = grid(self._frame, overlap=self._spec.overlap * self._frame.side / self._spec.size)
        x, y = np.array(corners, dtype=np.int64).T
        # A tile with an annotated object is kept however little tissue is around it.
        wanted = self._has_tissue(x, y) | ~self._clear(x, y)
        if not wanted.any():
            self.problems.append(f"no tile of the grid is tissue by {self._spec.min_tissue:.0%} or more")
        yield from as_places([corners[i] for i in np.flatnonzero(wanted)], TISSUE)

    def _around_objects(self, name: str) -> Iterator[Place]:
        objects = self._labels.objects(name) if self._labels is not None else ()
        if not objects:
            known = ", ".join(sorted(self._labels.classes)) if self._labels is not None else ""
            self.problems.append(f"no object of the class {name} is annotated, only {known or 'nothing'}")
        corners = list(dict.fromkeys(centred(self._frame, (box.x, box.y)) for box in objects))
        if (same := len(objects) - len(corners)) > 0:
            self.problems.append(f"{same} objects of the class {name} lie where another one does: one tile serves both")
        yield from as_places(corners, name)
        free = clear_of([_rectangle(box) for box in objects], self._frame.side)
        yield from self._draw(
            self._spec.negatives * len(objects), NEGATIVE, lambda x, y: self._has_tissue(x, y) & free(x, y)
        )

    def _draw(self, count: int, kind: str, fits: Fits) -> Sequence[Place]:
        if not count:
            return ()
        corners = drawn(self._frame, count, fits, seed=self._spec.seed, key=f"{kind}\0{self._key}")
        if len(corners) < count:
            self.problems.append(f"only {len(corners)} of {count} {kind} tiles were found")
        return tuple(as_places(corners, kind))

    def _has_tissue(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._tissue.share(x, y, self._frame.side) >= self._spec.min_tissue

    def _is_glass(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        glass: NDArray[np.bool_] = self._tissue.share(x, y, self._frame.side) == 0
        return glass & self._clear(x, y)

    def _objects(self) -> list[Rectangle]:
        if self._labels is None:
            return []
        return [_rectangle(box) for name, _ in self._spec.classes for box in self._labels.objects(name)]


def _rectangle(box: Box) -> Rectangle:
    return box.left, box.top, box.right, box.bottom
