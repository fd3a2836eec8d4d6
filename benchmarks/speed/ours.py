"""Ours: the two chains alone, and a whole worker, with an engine and a sink that cost nothing taken in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from pathlib import Path

from augengine.chain import ChainName, make_chain
from augengine.chain.base import Chain, ChainSpec, Translators
from augengine.chain.pair import EnginesSpec
from augengine.dataset import AugmentRequest
from augengine.dataset.crew import worker_spec
from augengine.dataset.engines import find_engines
from augengine.dataset.load import chain_batch
from augengine.dataset.planning import make_plan
from augengine.dataset.resolve import resolve_pair
from augengine.dataset.worker import Worker
from augengine.jobs import Job, Report
from augengine.spec import BackendName, ImageFormat, Precision
from benchmarks.rounds import Contender
from benchmarks.speed.material import NOISE, STAIN, Material
from tests.support.datasets import Listener

_AHEAD = 2
_NULL_CALLS = 2
"""How often a call repeats its job where the engine costs nothing: a few milliseconds tell nothing."""


def chain(
    name: ChainName, material: Material, engines: Translators, precision: Precision, variants: int, stack: ExitStack
) -> Contender:
    """A chain from encoded images to variants in memory; closed by ``stack``."""
    batch = chain_batch(engines, variants, material.threads)
    spec = ChainSpec(noise=NOISE, variants=variants, batch=batch, threads=material.threads)
    made = stack.enter_context(closing(make_chain(name, engines, spec)))
    images = material.size.images
    return Contender(
        name=f"chain {name}, {precision}, K = {variants}",
        run=lambda: _drive(made, material),
        images=images,
        gflop=(1 + variants) * images * material.gflop,
        flops_peak=precision,
    )


def _drive(made: Chain, material: Material) -> None:
    under_way = 0
    for start in range(0, len(material.requests), made.batch):
        if under_way == made.depth:
            made.get()
            under_way -= 1
        made.put(material.requests[start : start + made.batch])
        under_way += 1
    for _ in range(under_way):
        made.get()


def whole(
    material: Material,
    precision: Precision,
    variants: int,
    stack: ExitStack,
    *,
    image_format: ImageFormat = "png",
    backend: BackendName = "auto",
) -> list[Contender]:
    """A worker from files to a published shard; without a sink; without an engine; without both."""
    sinks = ("", True), (", null sink", False)
    return [
        _worker(
            f"whole job{engine}{sink}, {image_format}",
            each,
            precision,
            variants,
            stack,
            publishes=publishes,
            calls=calls,
            image_format=image_format,
            backend=backend,
        )
        for engine, each, calls in (("", material, 1), (", null engine", material.null, _NULL_CALLS))
        for sink, publishes in sinks
    ]


def _worker(
    name: str,
    material: Material,
    precision: Precision,
    variants: int,
    stack: ExitStack,
    *,
    calls: int,
    publishes: bool,
    image_format: ImageFormat,
    backend: BackendName,
) -> Contender:
    worker, jobs = _start(material, precision, variants, name, image_format, backend)
    stack.enter_context(worker)
    images = material.size.images * calls
    real = material.size.blocks > 0
    return Contender(
        name=f"{name}, {precision}, K = {variants}",
        run=lambda: finish(worker, jobs * calls, publishes=publishes),
        images=images,
        gflop=(1 + variants) * images * material.gflop if real else 0.0,
        flops_peak=precision if real else "",
        repeat=lambda times: finish(worker, jobs * calls * times, publishes=publishes),
    )


def _start(
    material: Material,
    precision: Precision,
    variants: int,
    name: str,
    image_format: ImageFormat,
    backend: BackendName,
) -> tuple[Worker, list[Job]]:
    out = material.folder / f"{name}-{variants}"
    request = AugmentRequest(
        source=str(material.source),
        out=out,
        stain=STAIN,
        eps=NOISE.eps,
        mpp=0.5,
        variants=variants,
        image_format=image_format,
        weights=material.weights,
        precision=precision,
        backend=backend,
        workers=1,
        samples_per_shard=material.size.images,
    )
    worker, jobs, _ = start(request, material.threads)
    return worker, jobs


def start(request: AugmentRequest, threads: int) -> tuple[Worker, list[Job], EnginesSpec]:
    """A worker that is ready for a request, what it is to do, and the engines that were chosen."""
    run = resolve_pair(request, Listener())
    store, engines = find_engines(run, None, Listener())
    (Path(str(request.out)) / ".augengine" / "spool").mkdir(parents=True)
    return Worker(worker_spec(run, engines, store, threads)), list(make_plan(run, engines).jobs), engines


def finish(worker: Worker, jobs: Sequence[Job], *, publishes: bool) -> None:
    """Let a worker do its jobs, handed to it a shard ahead, as a run does."""
    under_way: deque[Future[Report]] = deque()
    for job in jobs:
        under_way.append(worker.submit(job, publishes=publishes))
        if len(under_way) > _AHEAD:
            _check(under_way.popleft())
    for report in under_way:
        _check(report)


def _check(report: Future[Report]) -> None:
    assert not report.result().error, report.result().error
