"""Make samples of a dataset again, from its plan and its source: to prove their bytes, or to draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augengine.build import cpu_threads
from augengine.chain.base import Chain, Request
from augengine.chain.batches import pad_to
from augengine.chain.translate import normalise, quantise
from augengine.engines.base import Engine
from augengine.errors import ContentError, EngineError, ShardError, SpecError
from augengine.images import Decoder, RgbImage, encode_image
from augengine.job import EnginesSpec, WorkerSpec
from augengine.job.check import passes_through
from augengine.job.load import find_store, load_chain, load_translators
from augengine.job.members import Drawn, encode_sample
from augengine.picture import Row, contact_sheet
from augengine.plan import Plan, read_plan
from augengine.report import Job
from augengine.sample import Failure, Sample
from augengine.shards.layout import index_file, tar_file
from augengine.shards.read import read_members
from augengine.shards.write import target_errors
from augengine.sources import source_from_json
from augengine.spec import AugmentSpec

_ANY_SIDE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A sample made again, beside what the dataset holds.

    Attributes:
        key: Of the sample, variant suffix included.
        shard: Where it stands.
        differing: Extensions of the members whose bytes differ, or that only one side has.
    """

    key: str
    shard: str
    differing: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every byte is the same."""
        return not self.differing

    def sentence(self) -> str:
        """For a person."""
        verdict = "made again, the same bytes" if self.same else f"differs in {', '.join(self.differing)}"
        return f"{self.key} in {self.shard}: {verdict}"

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return {"key": self.key, "shard": self.shard, "same": self.same, "differing": list(self.differing)}


@dataclass(frozen=True, slots=True)
class _Dataset:
    folder: Path
    plan: Plan
    worker: WorkerSpec

    @property
    def spec(self) -> AugmentSpec:
        return self.worker.spec


def replay(folder: Path, key: str) -> Replayed:
    """Make one sample of a dataset again and compare the bytes.

    Args:
        folder: The dataset.
        key: The sample's key, as ``tile_7-v0001``.

    Raises:
        ShardError: No dataset, no such sample, or its source is no longer what it was.
        EngineError: Its engines are missing here, or belong to another machine.
    """
    dataset = _open(folder)
    job = _find(dataset, key)
    sample = _source_of(dataset, job, key)
    made = _make(dataset, sample).get(key, {})
    stored = read_members(str(tar_file(folder, job.output)), key)
    differing = sorted(ext for ext in made.keys() | stored.keys() if made.get(ext) != stored.get(ext))
    return Replayed(key=key, shard=job.output, differing=tuple(differing))


def draw_sheet(folder: Path, out: Path, *, rows: int = 3) -> Path:
    """Draw sources of a dataset, their translations, variants, and where these differ, into a PNG.

    Args:
        folder: The dataset.
        out: The picture.
        rows: How many sources, spread over the first shard.

    Returns:
        ``out``.

    Raises:
        SpecError: ``rows`` below 1.
        ShardError: No dataset, or none of its sources can be drawn.
        EngineError: Its engines are missing here, or belong to another machine.
        TargetError: The picture cannot be written.
    """
    if rows < 1:
        raise SpecError(f"a sheet has at least one row, asked for {rows}")
    dataset = _open(folder)
    job = dataset.plan.jobs[0]
    samples = [s for s in source_from_json(dataset.plan.source).read(job) if isinstance(s, Sample)]
    chosen = samples[:: max(1, len(samples) // rows)][:rows]
    drawn = list(_rows(dataset, chosen))
    if not drawn:
        raise ShardError(f"no source of {folder} can be drawn", hint="see its failures with `augengine verify`")
    spec = dataset.spec
    title = f"augengine: {spec.stain} by way of {spec.reference}, eps {spec.noise.eps:g}"
    with target_errors(out):
        sheet = contact_sheet(drawn, stain=spec.stain, reference=spec.reference, title=title)
        out.write_bytes(encode_image(sheet, "png"))
    return out


def _open(folder: Path) -> _Dataset:
    plan = read_plan(folder)
    if plan is None:
        raise ShardError(f"{folder} is no dataset of augengine's", hint="name the folder that augment wrote")
    engines = EnginesSpec.from_json(plan.engines)
    store = find_store(folder, engines)
    if store is None:
        hint = f"augengine build-engines --stain {plan.spec['stain']} --size {max(engines.height, engines.width)}"
        raise EngineError(f"the engines of {folder} are not on this machine", hint=hint)
    worker = WorkerSpec(
        target=str(folder),
        spec=AugmentSpec.from_json(plan.spec),
        source=plan.source,
        engines=engines,
        store=str(store.root),
        threads=cpu_threads(),
        max_side=_ANY_SIDE,
    )
    return _Dataset(folder, plan, worker)


def _find(dataset: _Dataset, key: str) -> Job:
    for job in dataset.plan.jobs:
        index = index_file(dataset.folder, job.output)
        if index.is_file() and f" {key}." in index.read_text(encoding="utf-8"):
            return job
    raise ShardError(f"no sample {key!r} in {dataset.folder}", hint="its variant suffix belongs to the key: k-v0001")


def _source_of(dataset: _Dataset, job: Job, key: str) -> Sample:
    wanted = key.rpartition("-v")[0]
    for sample in source_from_json(dataset.plan.source).read(job):
        if sample.key == wanted and isinstance(sample, Sample):
            return sample
    raise ShardError(
        f"the source of {key!r} is gone from {job.source}", hint="restore the input, or make a new dataset"
    )


def _make(dataset: _Dataset, sample: Sample) -> dict[str, dict[str, bytes]]:
    """Everything that became of a source: key -> extension -> bytes."""
    drawn = None
    if not passes_through(sample, dataset.spec):
        with closing(load_chain(dataset.worker)) as chain:
            drawn = _drawn(chain, sample)
    encoded = encode_sample(sample, drawn, dataset.spec, dataset.worker.engines)
    return {key: dict(members) for key, members in encoded.variants}


def _drawn(chain: Chain, sample: Sample) -> Drawn:
    chain.put([Request(key=sample.key, image=sample.image)])
    (outcome,) = chain.get()
    if isinstance(outcome, Failure):
        raise ShardError(f"the source {sample.key!r} has gone bad: {outcome.reason}", hint="restore the input")
    return Drawn(images_khwc=outcome.images_khwc, sigmas=outcome.sigmas)


def _rows(dataset: _Dataset, samples: Sequence[Sample]) -> Iterator[Row]:
    with closing(load_chain(dataset.worker)) as chain:
        drawn = [_drawn(chain, sample) for sample in samples]
    engine = load_translators(dataset.worker).to_reference
    images = Decoder(threads=1, max_side=_ANY_SIDE).decode([sample.image for sample in samples])
    for sample, image, variants in zip(samples, images, drawn, strict=True):
        if not isinstance(image, ContentError):
            yield Row(
                key=sample.key,
                source=image,
                intermediate=_intermediate(engine, image),
                variants_khwc=variants.images_khwc,
                sigmas=variants.sigmas,
            )


def _intermediate(engine: Engine, image: RgbImage) -> RgbImage:
    """A' in 8 bits, for the eye."""
    if engine.device != "cpu":
        raise EngineError("A' is drawn on a CPU only", hint="make the dataset with --backend openvino to draw it")
    x = normalise([pad_to(image, engine.height, engine.width)])
    out = np.empty_like(x)
    engine(x, out)
    return quantise(out)[0, : image.shape[0], : image.shape[1]]
