"""A slide opened for a worker: all that cutting its tiles needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from augengine.annotations import Labels
from augengine.digests import canonical_json
from augengine.errors import ShardError
from augengine.jobs import Job
from augengine.pictures.encode import encode_mask, encode_pixels
from augengine.shards import members_of
from augengine.shards.counted import Encoded, count_classes, count_pixels
from augengine.shards.fence import Fence
from augengine.slides import Scale, Slide
from augengine.storage import Access, path_of
from augengine.tiling.places import Place
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey, check_unchanged, read_survey
from augengine.tiling.surveyor import open_listed, slide_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class TileWorkerSpec:
    """What a worker does with every job.

    Attributes:
        target: The dataset's folder.
        spec: What to cut and how.
        keys: Slide's path -> its key; the surveys lie in the target under these.
        threads: CPU threads.
        device_id: None: tiles are cut on CPUs.
        workers_per_gpu: 1, which says nothing here.
        access: What reaches its store, on any machine.
        fence: Looked at before a shard is published.
    """

    target: str
    spec: TileSpec
    keys: Mapping[str, str]
    threads: int = 1
    device_id: int | None = None
    workers_per_gpu: int = 1
    access: Access = field(default_factory=Access)
    fence: Fence = field(default_factory=Fence)


@dataclass(frozen=True, slots=True)
class OpenedSlide:
    """A slide and all that its tiles need."""

    slide: Slide
    labels: Labels | None
    scale: Scale
    spec: TileSpec
    survey: Survey
    places: tuple[Place, ...]

    def cut(self, key: str, place: Place) -> Encoded:
        """Read and encode one tile.

        Raises:
            ContentError: This part of the slide, or of its mask image, is damaged.
        """
        size = self.spec.size
        pixels = self.slide.read(place.x, place.y, self.scale, height=size, width=size)
        image, seen = encode_pixels(pixels, self.spec.image_format)
        mask, counts = self._mask(place)
        record = canonical_json(tile_json(self.survey, place))
        members = members_of(image, self.spec.image_format, mask=mask, json=record, extras={})
        return Encoded(((key, members),), count_pixels(seen, counts), patient=self.survey.slide.patient)

    def _mask(self, place: Place) -> tuple[bytes | None, dict[int, int]]:
        if self.labels is None:
            return None, {}
        size, by = self.spec.size, self.scale.downsample
        mask = self.labels.mask(
            place.x, place.y, downsample=by, height=size, width=size, classes=dict(self.spec.classes)
        )
        return encode_mask(mask), count_classes(mask)


def tile_json(survey: Survey, place: Place) -> dict[str, Any]:
    """The json of a tile: where it is from. Its corner and ``downsample`` are in level-0 pixels, ``mpp`` in um/px.

    Args:
        survey: The survey of its slide.
        place: Where it is.
    """
    slide = survey.slide
    record: dict[str, Any] = {
        "mpp": float(survey.mpp),
        "slide": slide.key,
        "x": place.x,
        "y": place.y,
        "downsample": float(survey.downsample),
        "class": place.kind,
    }
    return record | ({"patient": slide.patient, "split": slide.split} if slide.patient else {})


def open_job(worker: TileWorkerSpec, job: Job, stack: ExitStack) -> OpenedSlide:
    """The slide of a job, as it was when it was surveyed; ``stack`` closes it.

    Raises:
        ShardError: Its survey is gone.
        SourceError: It, or what was drawn on it, was changed since.
    """
    survey = read_survey(path_of(worker.target), worker.keys[job.source])
    if survey is None:
        raise ShardError(f"the survey of {job.source} is gone", hint="run augengine tile again")
    check_unchanged(survey)
    slide = stack.enter_context(open_listed(survey.slide))
    return OpenedSlide(
        slide,
        slide_labels(survey.slide, slide, worker.spec),
        slide.scale(worker.spec.mpp),
        worker.spec,
        survey,
        survey.places[job.first : job.first + job.count],
    )
