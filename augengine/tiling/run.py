"""Slides to source shards: each surveyed once, its tiles cut by workers, or gone on with where a run stopped."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from augengine.machine import cpu_threads
from augengine.progress import LogWatcher, Watcher, counted
from augengine.runs import (
    Crew,
    Hold,
    Plan,
    binds,
    carry_out,
    check_growing_plan,
    choose_retry,
    open_target,
    read_plan,
    survives,
)
from augengine.storage import Access
from augengine.tiling.classes import check_classes, class_notes, unseen_ids
from augengine.tiling.listing import ListedSlide
from augengine.tiling.opened import TileWorkerSpec
from augengine.tiling.outcome import TileSummary, about_slides, note_lines
from augengine.tiling.outfit import TileOutfit
from augengine.tiling.planning import empty_plan, make_jobs
from augengine.tiling.request import TileRequest, TileRun, as_request, resolve
from augengine.tiling.survey import Survey
from augengine.tiling.surveyor import survey_slide
from augengine.tiling.worker import TileWorker

_THREADS_A_WORKER = 8
"""Threads that one process keeps busy: what Python itself does to a tile is short, but not nothing."""

_SURVEYS = 8
"""Slides that are looked at at a time: a thumbnail and its tissue take some hundred megabytes."""


def tile(request: TileRequest | None = None, watcher: Watcher | None = None, **options: Any) -> TileSummary:
    """Cut slides into source shards, or go on with it.

    A slide that cannot be tiled stops no other: it is named in the summary, and tried again by the next run.

    Args:
        request: What to do; or its fields as keywords: ``tile(slides="slides/", out="patches/")``.
        watcher: Who follows the run; None logs notes and warnings.
        options: The fields of a `TileRequest`, without ``request``.

    Raises:
        AugengineError: The request is refused, or the target cannot be written; finished shards stay.
    """
    request = as_request(request, options)
    watcher = watcher or LogWatcher()
    run = resolve(request)
    plan = empty_plan(run)
    with open_target(request.out) as hold:
        before = read_plan(request.out, "tile")
        if before is not None and not binds(request.out, before, replace(plan, jobs=before.jobs)):
            before = None
        safe = survives(_shares(run)[0], request.ray_address)
        retry = choose_retry(request.out, before, asked=request.retry_failed, survives=safe)
        surveys = _survey_all(run, before, watcher)
        check_classes(surveys, run.spec)
        plan = replace(plan, jobs=make_jobs(surveys, run.spec, request.tiles_per_shard))
        check_growing_plan(request.out, plan)
        outcome = carry_out(
            request.out,
            plan,
            _crew(run, hold),
            retry,
            hold,
            watcher,
            about=about_slides(surveys, run.spec) | {"command": request.command()},
            notes=(*note_lines(surveys, run.listed.notes), *class_notes(surveys, run.spec)),
            look=partial(unseen_ids, surveys=surveys, spec=run.spec),
        )
    return TileSummary(outcome=outcome, spec=run.spec, surveys=tuple(surveys))


def _survey_all(run: TileRun, before: Plan | None, watcher: Watcher) -> list[Survey]:
    folder, surveys = run.request.out, list[Survey]()
    planned = frozenset() if before is None else frozenset(job.source for job in before.jobs)

    def look(slide: ListedSlide) -> Survey:
        return survey_slide(slide, run.spec, folder, planned=slide.path in planned)

    with ThreadPoolExecutor(min(_SURVEYS, cpu_threads()), thread_name_prefix="survey") as pool:
        for survey in pool.map(look, run.slides):
            surveys.append(survey)
            watcher.note(_said(survey, len(surveys), len(run.slides)))
    return surveys


def _said(survey: Survey, number: int, of: int) -> str:
    outcome = (
        f"not tiled: {survey.error}"
        if survey.error
        else f"{counted(len(survey.places), 'tile')} at {survey.mpp:g} um/px"
    )
    return f"slide {number}/{of} {survey.slide.key}: {outcome}"


def _crew(run: TileRun, hold: Hold) -> Crew:
    workers, threads = _shares(run)
    outfit = TileOutfit(reads=_files(run.slides))
    worker = TileWorkerSpec(
        target=str(run.request.out.absolute()),
        spec=run.spec,
        keys=_keys(run.slides),
        threads=threads,
        access=Access.of_environment(run.request.out),
        fence=hold.fence,
    )
    return Crew(worker=worker, start=TileWorker, workers=workers, address=run.request.ray_address, outfit=outfit)


def _files(slides: Sequence[ListedSlide]) -> tuple[str, ...]:
    """What workers read: slides and annotations."""
    return tuple(file for slide in slides for file in (slide.path, slide.labels) if file is not None)


def _keys(slides: Sequence[ListedSlide]) -> dict[str, str]:
    return {slide.path: slide.key for slide in slides}


def _shares(run: TileRun) -> tuple[int | None, int]:
    """How many workers, and the CPU threads of each."""
    if run.request.ray_address is not None:
        return run.request.workers, 1  # the cluster's nodes say how many fit, and their threads
    many = run.request.workers or -(-cpu_threads() // _THREADS_A_WORKER)
    return many, max(1, cpu_threads() // many)
