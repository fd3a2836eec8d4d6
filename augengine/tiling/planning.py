"""The plan of a tiling: what is asked for, and from surveys to jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from augengine.digests import json_digest
from augengine.jobs import Job
from augengine.json_values import to_json
from augengine.pictures.encode import encoder_version
from augengine.runs import Plan
from augengine.runs.planning import SHARD_BYTES, encoded_bytes
from augengine.tiling.request import TileRun
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey


def empty_plan(run: TileRun) -> Plan:
    """The plan as far as it is known before a slide is opened."""
    slides = {slide.key: {"path": slide.path, "patient": slide.patient, "split": slide.split} for slide in run.slides}
    return Plan(
        kind="tile",
        spec=to_json(run.spec),
        source={"kind": "slides"} | slides,
        engines={},
        encoder=encoder_version(),
        jobs=(),
    )


def make_jobs(surveys: Sequence[Survey], spec: TileSpec, tiles_per_shard: int | None) -> tuple[Job, ...]:
    """One job per shard; a shard holds tiles of one slide.

    Args:
        surveys: One per slide, in order; those with an error give no job.
        spec: Its size and format tell how many tiles make about 256 MB.
        tiles_per_shard: How many tiles a shard holds; None derives it from ``spec``.
    """
    size = tiles_per_shard or max(1, int(SHARD_BYTES / encoded_bytes(spec.size**2, spec.image_format)))
    jobs = (job for survey in surveys if not survey.error for job in _of_slide(survey, size))
    return tuple(replace(job, index=index) for index, job in enumerate(jobs))


def _of_slide(survey: Survey, size: int) -> Iterator[Job]:
    slide, count = survey.slide, len(survey.places)
    name = f"{slide.split}-{slide.key}" if slide.split else slide.key
    for number, first in enumerate(range(0, count, size)):
        places = survey.places[first : first + size]
        yield Job(
            index=0,
            source=slide.path,
            first=first,
            count=len(places),
            size=slide.size,
            digest=json_digest(
                [
                    *(slide.size, slide.fingerprint, slide.labels_digest, survey.spec, survey.slide_mpp),
                    [[p.x, p.y, p.kind] for p in places],
                ]
            ),
            output=f"{name}-{number:06d}",
        )
