"""Looks at a slide once: its tissue, what is annotated on it, and which tiles are cut from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augengine.annotations import Labels, open_labels
from augengine.errors import ContentError, PlanMismatch, TargetError
from augengine.jobs import failure_reason
from augengine.pictures.encode import encode_image
from augengine.progress import counted
from augengine.slides import Scale, Slide, open_slide
from augengine.storage import AnyPath
from augengine.tiling.choice import Choice
from augengine.tiling.listing import ListedSlide
from augengine.tiling.overview import Overview, draw_overview
from augengine.tiling.places import Frame, Tissue
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey, read_survey, write_survey, write_thumbnail
from augengine.tiling.thumbnail import Thumbnail, read_thumbnail

_MAX_OTHER_CLASSES = 100
"""Classes nobody asked for that are counted: some programs give every object a name of its own."""

_SAME_MPP = 0.01


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
    write_survey(folder, found)
    return found


def _change(before: Survey, now: Survey) -> str:
    """What changed of a slide since its tiles were planned, in words; empty if nothing of them did."""
    if now.error:
        return f"now it cannot be tiled: {now.error}"
    if before.slide.fingerprint != now.slide.fingerprint:
        return f"the file {now.slide.path} changed"
    if (before.slide.labels, before.slide.labels_digest) != (now.slide.labels, now.slide.labels_digest):
        if before.slide.labels == now.slide.labels:
            return f"its annotations {now.slide.labels} changed"
        return f"its annotations were {before.slide.labels}, and are {now.slide.labels} now"
    if before.slide_mpp != now.slide_mpp:
        return f"it had {before.slide_mpp:g} um/px, and is now said to have {now.slide_mpp:g}"
    return ""


def _still_holds(before: Survey, slide: ListedSlide, spec: TileSpec) -> bool:
    """A survey that failed is made anew: the slide may have been mended."""
    return not before.error and before.spec == spec.digest and before.slide == slide


def _look(listed: ListedSlide, spec: TileSpec, folder: AnyPath) -> Survey:
    with open_listed(listed) as slide:
        scale = slide.scale(spec.mpp)
        frame = _frame(slide, scale, spec)
        thumbnail = read_thumbnail(slide, frame.side)
        if thumbnail.is_dark and not spec.allow_dark:
            hint = "brightfield slides are tiled; --allow-dark takes it, and all of it as tissue"
            raise ContentError("its ground is dark, as under fluorescence", hint=hint)
        labels = slide_labels(listed, slide, spec)
        tissue = thumbnail.tissue(spec.tissue_density)
        by = thumbnail.downsample
        choice = Choice(spec, frame, Tissue(tissue, by), Tissue(thumbnail.filled, by), labels, listed.key)
        places = choice.places()
        overview = Overview(
            rgb_hwc=thumbnail.rgb_hwc,
            downsample=thumbnail.downsample,
            tissue=tissue,
            side=frame.side,
            places=places,
            labels=labels,
        )
        picture = draw_overview(overview, spec)
        write_thumbnail(folder, listed.key, encode_image(picture, "png"))
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
            present=() if labels is None else tuple(name for name, _ in spec.classes if name in labels.classes),
            places=tuple(places),
            problems=(
                *_said_of_mpp(listed, slide),
                *_said_of_others(slide),
                *(() if labels is None else labels.problems),
                *choice.problems,
                *_said_of_tissue(thumbnail, tissue),
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


def _said_of_others(slide: Slide) -> Iterator[str]:
    """Where the file holds more than one picture that may be meant."""
    if slide.others:
        verb = "was" if slide.others == 1 else "were"
        yield f"{counted(slide.others, 'other picture')} of about its size in its file {verb} not cut: save each alone"


def _said_of_tissue(thumbnail: Thumbnail, tissue: NDArray[np.bool_]) -> Iterator[str]:
    """Where no glass was told from tissue, though a picture of tissue alone looks the same."""
    if not thumbnail.is_dark and (tissue | thumbnail.filled).all():
        yield "all of it counts as tissue; if there is glass on it, raise --tissue-density"


def _count_objects(labels: Labels, spec: TileSpec) -> dict[str, int]:
    """Objects by class: those asked for, zero included, then the others."""
    found = labels.counts([name for name, _ in spec.classes])
    return dict(list(found.items())[: len(spec.classes) + _MAX_OTHER_CLASSES])


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
