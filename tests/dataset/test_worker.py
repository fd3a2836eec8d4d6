"""A worker under stress: what fails is reported, nothing is lost, nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from augengine.chain.base import Translators
from augengine.chain.pair import EnginesSpec
from augengine.dataset.crew import worker_spec
from augengine.dataset.engines import find_engines
from augengine.dataset.load import gpu_batch, load_chain
from augengine.dataset.planning import make_plan
from augengine.dataset.resolve import resolve_pair
from augengine.dataset.spec import WorkerSpec
from augengine.dataset.worker import Worker
from augengine.errors import ChainError, ShardError, TargetError
from augengine.jobs import Job
from augengine.runs import Plan
from augengine.sample import Failure
from augengine.shards.builder import ShardBuilder
from tests.support.datasets import Listener, request
from tests.support.pictures import write_folder
from tests.support.workers import worker

pytestmark = pytest.mark.e2e

WAIT_S = 60


@pytest.fixture
def prepared(small_weights: Path, tmp_path: Path) -> tuple[WorkerSpec, Plan]:
    """A worker's spec and a plan of four shards of three samples."""
    source = write_folder(tmp_path / "in", [f"t{i:02d}" for i in range(12)])
    listener = Listener()
    run = resolve_pair(request(source, tmp_path / "out", small_weights, samples_per_shard=3), listener)
    store, engines = find_engines(run, None, listener)
    (tmp_path / "out" / ".augengine").mkdir(parents=True)
    return worker_spec(run, engines, store, threads=1), make_plan(run, engines)


def test_a_worker_yields_a_report_a_job_in_order(prepared: tuple[WorkerSpec, Plan]) -> None:
    spec, plan = prepared
    with Worker(spec) as one:
        reports = list(one.run(plan.jobs))
    assert [report.output for report in reports] == [job.output for job in plan.jobs]
    assert [report.samples_out for report in reports] == [3, 3, 3, 3]


def test_engines_that_cannot_be_loaded_fail_each_shard_with_the_reason(prepared: tuple[WorkerSpec, Plan]) -> None:
    spec, plan = prepared
    with Worker(replace(spec, store=str(Path(spec.target) / "nowhere"))) as one:
        reports = list(one.run(plan.jobs))
    assert all("no engine" in report.error for report in reports)
    assert one.samples_done == 0
    assert list(Path(spec.target).glob("*.tar")) == []


def test_a_bad_shard_leaves_the_others_alone(prepared: tuple[WorkerSpec, Plan]) -> None:
    spec, plan = prepared
    changed = replace(plan.jobs[1], digest="of other files")
    with Worker(spec) as one:
        reports = list(one.run([plan.jobs[0], changed, *plan.jobs[2:]]))
    assert ["changed since" in report.error for report in reports] == [False, True, False, False]
    assert one.samples_done == 9


def test_samples_of_a_shard_that_cannot_be_written_do_not_count(prepared: tuple[WorkerSpec, Plan]) -> None:
    spec, plan = prepared
    (Path(spec.target) / ".augengine" / "spool").write_text("no folder")
    with Worker(spec) as one:
        with pytest.raises(TargetError):
            one.submit(plan.jobs[0]).result(timeout=WAIT_S)
        assert one.samples_done == 0


def test_engines_are_closed_if_no_chain_can_be_made_of_them(
    prepared: tuple[WorkerSpec, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = prepared
    closed: list[Translators] = []
    close = Translators.close

    def noted(self: Translators) -> None:
        closed.append(self)
        close(self)

    def no_room(*_: object, **__: object) -> None:
        raise ChainError("no room on the GPU")

    monkeypatch.setattr(Translators, "close", noted)
    monkeypatch.setattr("augengine.dataset.load.make_chain", no_room)
    with pytest.raises(ChainError, match="no room"):
        load_chain(spec)
    assert len(closed) == 1


def test_closing_ends_every_future_and_leaves_nothing_behind(prepared: tuple[WorkerSpec, Plan]) -> None:
    spec, plan = prepared
    one = Worker(spec)
    futures = [one.submit(job) for job in plan.jobs]
    one.close()
    reports = [future.result(timeout=WAIT_S) for future in futures]
    for report in reports:
        assert bool(report.sha256) != bool(report.error)
    assert list((Path(spec.target) / ".augengine" / "spool").glob("*")) == []
    late = one.submit(plan.jobs[0]).result(timeout=WAIT_S)
    assert "stopped" in late.error


def test_threads_that_cannot_be_started_lose_no_sample(prepared: tuple[WorkerSpec, Plan]) -> None:
    spec, plan = prepared
    with Worker(spec) as one:
        one._publisher._encoders.shutdown()  # every later encoding is refused, as without room for a thread
        reports = [one.submit(job).result(timeout=WAIT_S) for job in plan.jobs]
    assert all("cannot schedule new futures" in report.error for report in reports)
    assert list(Path(spec.target).glob("*.tar")) == []


def test_a_shard_from_which_samples_are_missing_is_never_committed(tmp_path: Path) -> None:
    spec = worker(tmp_path)
    job = Job(index=0, source="", first=0, count=2, size=0, digest="", output="cd68-000000")
    shard = ShardBuilder(job, Path(spec.target))
    shard.drop(Failure("a", "truncated"))
    with pytest.raises(ShardError, match="1 samples came through, 2 were planned"):
        shard.finish()
    assert not (tmp_path / ".augengine" / "cd68-000000.json").exists()


@pytest.mark.parametrize(("variants", "largest"), [(1, 4), (5000, 1)])
def test_many_variants_make_smaller_batches(variants: int, largest: int, prepared: tuple[WorkerSpec, Plan]) -> None:
    spec, _ = prepared
    chain = load_chain(replace(spec, spec=replace(spec.spec, variants=variants), engines=_plain(spec)))
    try:
        assert chain.batch == largest
    finally:
        chain.close()


@pytest.mark.parametrize(
    ("side", "variants", "free_gb", "batch"),
    [
        (256, 4, 80, 8),  # the engines' own
        (508, 4, 80, 4),
        (508, 500, 80, 2),
        (508, 500, 24, 1),  # not even one is sure to fit: the chain says so if it does not
        (508, 4, 2, 4),
        (508, 20, 2, 1),
        (508, 4, 0, 1),
    ],
)
def test_many_variants_make_smaller_batches_on_a_gpu(side: int, variants: int, free_gb: int, batch: int) -> None:
    engine_batch = 8 if side <= 256 else 4
    assert gpu_batch(engine_batch, variants * 3 * side * side, free_gb * 10**9) == batch


def _plain(spec: WorkerSpec) -> EnginesSpec:
    return replace(spec.engines, chain="plain")


def test_no_thread_of_a_worker_outlives_it(prepared: tuple[WorkerSpec, Plan]) -> None:
    spec, plan = prepared
    before = _threads()
    with Worker(spec) as one:
        list(one.run(plan.jobs))
    assert _threads() <= before


def _threads() -> set[str]:
    names: Sequence[str] = ("drive", "encode", "publish")
    return {t.name for t in threading.enumerate() if t.name.startswith(tuple(names))}
