"""A worker that cuts tiles: each thread reads, resamples, masks and encodes one tile at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augengine.annotations import Labels
from augengine.errors import ContentError, ShardError, SourceError, TargetError, WorkerError
from augengine.fleet import HELD_JOBS
from augengine.jobs import Job, Report, failure_reason
from augengine.pictures.encode import encode_mask, encode_pixels
from augengine.shards import members_of
from augengine.shards.builder import ShardBuilder
from augengine.shards.counted import Encoded, count_classes, count_pixels
from augengine.shards.fence import Fence
from augengine.slides import Scale, Slide, open_slide
from augengine.spec import canonical_json
from augengine.storage import Access, path_of
from augengine.tiling.listing import file_digest, fingerprint, tile_key
from augengine.tiling.places import Place
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey, read_survey, slide_labels

_AHEAD = 4
"""Tiles a thread that may wait to be written: bounds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileWorkerSpec:
    """What a worker does with every job.

    Attributes:
        target: The dataset's folder.
        spec: What to cut and how.
        keys: Slide's path -> its key; the surveys lie in the target under these.
        threads: CPU threads.
        device_id: None: tiles are cut on CPUs.
        access: What reaches its store, on any machine.
        fence: Looked at before a shard is published.
    """

    target: str
    spec: TileSpec
    keys: Mapping[str, str]
    threads: int = 1
    device_id: int | None = None
    access: Access = field(default_factory=Access)
    fence: Fence = field(default_factory=Fence)


class TileWorker:
    """Makes shards of tiles; see `augengine.fleet.Worker`.

    Args:
        spec: What to do with every job.
    """

    def __init__(self, spec: TileWorkerSpec) -> None:
        spec.access.apply()
        self._spec = spec
        self._cutters = ThreadPoolExecutor(spec.threads, thread_name_prefix="cut")
        # Two shards at a time, so that the cutters have work while one is published.
        self._writers = ThreadPoolExecutor(HELD_JOBS, thread_name_prefix="write")
        self._stopping = False
        self._done: dict[int, int] = {}

    @property
    def samples_done(self) -> int:
        """Tiles finished so far, good and bad."""
        return sum(self._done.values())

    def submit(self, job: Job, *, publishes: bool = True) -> Future[Report]:
        """Queue a job; see `augengine.fleet.Worker`."""
        return self._writers.submit(self._make, job, publishes)

    def close(self) -> None:
        """Stop; shards under way are dropped."""
        self._stopping = True
        self._writers.shutdown(cancel_futures=True)
        self._cutters.shutdown(cancel_futures=True)

    def _make(self, job: Job, publishes: bool) -> Report:
        target, fence = path_of(self._spec.target), self._spec.fence
        shard = ShardBuilder(job, target, publishes=publishes, fence=fence)
        try:
            self._fill(shard)
            return shard.finish()
        except TargetError:
            shard.discard()
            raise
        except Exception as error:  # noqa: BLE001 - the border of the thread: a failure becomes a report
            shard.discard()
            self._done[job.index] = 0
            return Report(output=job.output, error=failure_reason(error))

    def _fill(self, shard: ShardBuilder) -> None:
        with ExitStack() as stack:
            opened = _open(self._spec, shard.job, stack)
            cut: deque[tuple[str, Future[Encoded]]] = deque()
            stack.callback(lambda: _abandon(cut))  # before the slide is closed: no thread may read a closed one
            for ordinal, place in enumerate(opened.places, shard.job.first):
                key = tile_key(opened.survey.slide, place)
                bad = shard.job.excluded.get(ordinal)
                cut.append((key, _excluded(bad) if bad else self._cutters.submit(opened.cut, key, place)))
                if len(cut) > _AHEAD * self._spec.threads:
                    self._write(shard, opened.survey, *cut.popleft())
            while cut:
                self._write(shard, opened.survey, *cut.popleft())

    def _write(self, shard: ShardBuilder, survey: Survey, key: str, encoded: Future[Encoded]) -> None:
        if self._stopping:
            raise WorkerError("the worker was stopped")
        read = key.encode(), survey.slide.fingerprint.encode(), survey.slide.labels_digest.encode()
        shard.add(key, read, encoded.result)
        self._done[shard.job.index] = shard.samples_in


def _excluded(reason: str) -> Future[Encoded]:
    """The outcome of a tile that is known to be bad; nothing of it is read."""
    outcome: Future[Encoded] = Future()
    outcome.set_exception(ContentError(reason))
    return outcome


def _abandon(cut: deque[tuple[str, Future[Encoded]]]) -> None:
    """Wait until nobody works on tiles that nobody wants any more."""
    wait([future for _, future in cut if not future.cancel()])


@dataclass(frozen=True, slots=True)
class _Opened:
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
        return Encoded(((key, members),), count_pixels(seen, counts))

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
        survey: Of its slide.
        place: Where it is.
    """
    slide = survey.slide
    record: dict[str, Any] = {
        "mpp": survey.mpp,
        "slide": slide.key,
        "x": place.x,
        "y": place.y,
        "downsample": survey.downsample,
        "class": place.kind,
    }
    return record | ({"patient": slide.patient, "split": slide.split} if slide.patient else {})


def _open(worker: TileWorkerSpec, job: Job, stack: ExitStack) -> _Opened:
    survey = read_survey(path_of(worker.target), worker.keys[job.source])
    if survey is None:
        raise ShardError(f"the survey of {job.source} is gone", hint="run augengine tile again")
    _check_same(survey)
    slide = stack.enter_context(open_slide(Path(job.source), mpp=worker.spec.slide_mpp))
    return _Opened(
        slide,
        slide_labels(survey.slide, slide, worker.spec),
        slide.scale(worker.spec.mpp),
        worker.spec,
        survey,
        survey.places[job.first : job.first + job.count],
    )


def _check_same(survey: Survey) -> None:
    slide = survey.slide
    if fingerprint(Path(slide.path)) != slide.fingerprint:
        hint = "restore it, or tile into another folder"
        raise SourceError(f"{slide.path} is not the slide it was when it was surveyed", hint=hint)
    if slide.labels is not None and file_digest(Path(slide.labels)) != slide.labels_digest:
        hint = "restore them, or tile into another folder"
        raise SourceError(f"the annotations {slide.labels} were changed after the slide was surveyed", hint=hint)
