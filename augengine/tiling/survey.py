"""A slide looked at once: what it is, what is annotated on it, and which tiles are cut from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from augengine.annotations import Labels, open_labels
from augengine.digests import json_digest
from augengine.errors import ContentError, PlanMismatch, ShardError, TargetError
from augengine.jobs import failure_reason
from augengine.pictures.encode import encode_image
from augengine.shards.layout import OWN_FOLDER, spool_folder
from augengine.shards.records import read_json, write_json
from augengine.shards.write import publish, target_errors
from augengine.slides import Scale, Slide, open_slide
from augengine.storage import AnyPath, size_of
from augengine.tiling.choice import Choice
from augengine.tiling.listing import ListedSlide
from augengine.tiling.places import Frame, Place
from augengine.tiling.spec import TileSpec
from augengine.tiling.thumbnail import draw_places, read_thumbnail

_FOLDER = "slides"
_MAX_NAME = 200
_MAX_OTHER_CLASSES = 100
"""Classes nobody asked for that are counted: some programs give every object a name of its own."""

_SAME_MPP = 0.01


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


def survey_slide(slide: ListedSlide, spec: TileSpec, folder: AnyPath, *, planned: bool = False) -> Survey:
    """Survey a slide, or take up an earlier survey of it; what fails becomes the survey's ``error``.

    Args:
        slide: Which one.
        spec: What is wanted.
        folder: The dataset; survey and thumbnail are written below it.
        planned: Whether the dataset's plan holds tiles of it.

    Raises:
        PlanMismatch: The slide, its annotations or its um/px changed after its tiles were planned.
        TargetError: They cannot be written.
    """
    before = read_survey(folder, slide.key)
    if before and _still_holds(before, slide, spec):
        return before
    found = Survey(slide=slide, spec=spec.digest, error=slide.error)
    if not slide.error:
        try:
            found = _look(slide, spec, folder)
        except TargetError:
            raise
        except Exception as error:  # noqa: BLE001 - one slide stops no other: a failure becomes its report
            found = replace(found, error=failure_reason(error))
    if planned and before and (change := _change(before, found)):
        hint = "restore it, or tile into another folder"
        raise PlanMismatch(f"{folder} holds tiles of {slide.key} as it was: {change}", hint=hint)
    file = _file(folder, slide.key, "json")
    _make_parent(file)
    write_json(file, found.to_json(), spool_folder(folder))
    return found


def _change(before: Survey, now: Survey) -> str:
    """What changed of a slide since its tiles were planned, in words; empty if nothing of them did."""
    if now.error:
        return f"now it cannot be tiled: {now.error}"
    if before.slide.fingerprint != now.slide.fingerprint:
        return f"the file {now.slide.path} changed"
    if (before.slide.labels, before.slide.labels_digest) != (now.slide.labels, now.slide.labels_digest):
        return f"its annotations were {before.slide.labels} and changed; they are {now.slide.labels} now"
    if before.slide_mpp != now.slide_mpp:
        return f"it had {before.slide_mpp:g} um/px, and is now said to have {now.slide_mpp:g}"
    return ""


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
    with open_listed(listed) as slide:
        scale = slide.scale(spec.mpp)
        frame = _frame(slide, scale, spec)
        thumbnail = read_thumbnail(slide, frame.side)
        if thumbnail.is_dark and not spec.allow_dark:
            hint = "brightfield slides are tiled; --allow-dark takes it, and all of it as tissue"
            raise ContentError("its ground is dark, as under fluorescence", hint=hint)
        labels = slide_labels(listed, slide, spec)
        choice = Choice(spec, frame, thumbnail.tissue(spec.tissue_density), labels, listed.key)
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
            objects=None if labels is None else _count_objects(labels, spec),
            places=tuple(places),
            problems=(
                *_said_of_mpp(listed, slide),
                *(() if labels is None else labels.problems),
                *choice.problems,
            ),
        )


def open_listed(listed: ListedSlide) -> Slide:
    """Open a slide with the um/px that the user states; see `open_slide`."""
    return open_slide(Path(listed.path), mpp=listed.mpp, mpp_if_unstated=listed.mpp_if_unstated)


def _said_of_mpp(listed: ListedSlide, slide: Slide) -> Iterator[str]:
    """Where the user and the slide state different um/px."""
    stated = slide.stated_mpp
    given = listed.mpp or listed.mpp_if_unstated
    if stated is None or given is None or all(abs(each / given - 1) <= _SAME_MPP for each in stated):
        return
    says = f"it states {' x '.join(f'{each:g}' for each in dict.fromkeys(stated))} um/px"
    yield (
        f"{says}; {slide.mpp:g} was used, as asked" if listed.mpp else f"{says}, so --slide-mpp {given:g} was not used"
    )


def _count_objects(labels: Labels, spec: TileSpec) -> dict[str, int]:
    """Objects by class: those asked for, zero included, then the others."""
    asked = [name for name, _ in spec.classes]
    others = sorted(labels.classes.difference(asked))[:_MAX_OTHER_CLASSES]
    return {name: len(labels.objects(name)) for name in (*asked, *others)}


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
