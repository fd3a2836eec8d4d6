"""Many workers, and workers that die: the bytes of a dataset depend on none of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from augengine.dataset import augment
from augengine.dataset.worker import Worker
from augengine.errors import WorkerError
from augengine.fleet import run_local, run_ray
from augengine.jobs import Job, Report
from augengine.shards.verify import verify
from tests.support.datasets import Listener, digests, leftovers, make, request
from tests.support.node_cluster import WITHOUT_TOKENS, node_cluster
from tests.support.pictures import write_folder

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

SAMPLES = 24
OPTIONS = {"samples_per_shard": 1, "variants": 2}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles large enough that a run of them takes some seconds."""
    names = [f"tile_{i:02d}" for i in range(SAMPLES)]
    return write_folder(tmp_path_factory.mktemp("tiles"), names, masks=True, height=320, width=320)


@pytest.fixture(scope="module")
def clean(tiles: Path, small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of one undisturbed run by one worker."""
    out = tmp_path_factory.mktemp("clean") / "out"
    assert make(tiles, out, small_weights, **OPTIONS).complete()
    return digests(out)


def test_two_workers_write_the_bytes_of_one(
    tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    listener = Listener()
    assert augment(request(tiles, tmp_path / "out", small_weights, workers=2, **OPTIONS), listener).complete()
    assert digests(tmp_path / "out") == clean
    assert listener.done[-1] == listener.total == SAMPLES
    assert [worker.place for worker in listener.workers] == [0, 1]
    assert {worker.host for worker in listener.workers} == {socket.gethostname()}


def test_a_killed_workers_shards_are_made_by_another(
    tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed: list[int] = []

    def kill_one() -> None:
        _wait_for(lambda: _committed(out) >= 3)
        killed.extend(_actors()[:1])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    summary = make(tiles, out, small_weights, workers=2, **OPTIONS)
    killer.join()
    assert killed
    assert summary.complete()
    assert digests(out) == clean
    assert leftovers(out) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_where_it_stopped(
    workers: int, tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = _start(tiles, out, small_weights, workers)
    _wait_for(lambda: _committed(out) >= 3)
    run.kill()
    run.wait()
    begun = _committed(out)
    assert 3 <= begun < SAMPLES
    summary = make(tiles, out, small_weights, **OPTIONS)
    assert summary.complete()
    assert summary.resumed >= begun
    assert digests(out) == clean
    assert leftovers(out) == []
    assert verify(out).ok


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_half_written(
    sent: signal.Signals, workers: int, tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = _start(tiles, out, small_weights, workers)
    _wait_for(lambda: _committed(out) >= 2)
    for _ in range(2):  # the second one must not break off the clean-up of the first
        run.send_signal(sent)
        time.sleep(0.05)
    assert run.wait(timeout=60) == 130
    assert leftovers(out) == []
    assert make(tiles, out, small_weights, **OPTIONS).complete()


@pytest.mark.parametrize("execute", [run_local, run_ray])
def test_a_failed_shard_is_reported_and_its_neighbours_are_made(
    execute: Callable[..., Iterator[Report]], tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    from augengine.dataset.crew import worker_spec
    from augengine.dataset.engines import find_engines
    from augengine.dataset.planning import make_plan
    from augengine.dataset.resolve import resolve_pair

    listener = Listener()
    run = resolve_pair(request(tiles, tmp_path / "out", small_weights, limit=3, **OPTIONS), listener)
    store, engines = find_engines(run, None, listener)
    plan = make_plan(run, engines)
    worker = worker_spec(run, engines, store, threads=1)
    (tmp_path / "out" / ".augengine").mkdir(parents=True)
    beyond = Job(index=9, source=str(tiles), first=90, count=1, size=0, digest="", output="cd68-000009")
    workers = 1 if execute is run_local else 2
    reports = {report.output: report for report in execute([beyond, *plan.jobs], worker, Worker, workers=workers)}
    assert reports.pop("cd68-000009").error
    assert sorted(reports) == ["cd68-000000", "cd68-000001", "cd68-000002"]
    assert not any(report.error for report in reports.values())


@pytest.fixture(scope="module")
def small_cluster() -> Iterator[str]:
    """The address of a Ray cluster with a node of one CPU."""
    with node_cluster(os.environ["AUGENGINE_HOME"]) as cluster:
        yield cluster.address


def test_a_running_cluster_is_joined_and_gives_the_same_bytes(
    small_cluster: str, tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    run = _join(small_cluster, tiles, tmp_path / "out", small_weights, workers=1)
    assert run.returncode == 0, run.stderr
    assert digests(tmp_path / "out") == clean


def test_a_cluster_that_is_too_small_is_refused(
    small_cluster: str, tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    run = _join(small_cluster, tiles, tmp_path / "out", small_weights, workers=2)
    assert run.returncode == 2
    assert "has 1 CPUs, 2 workers need one each" in run.stderr


def _join(address: str, tiles: Path, out: Path, weights: Path, *, workers: int) -> subprocess.CompletedProcess[str]:
    """A run as it is typed."""
    command = [*_command(tiles, out, weights, workers), "--ray", address]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | WITHOUT_TOKENS, timeout=120, check=False
    )


def test_a_cluster_that_is_not_there_is_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="cannot join Ray"):
        make(tiles, tmp_path / "out", small_weights, workers=1, ray_address="127.0.0.1:1", **OPTIONS)


def test_workers_can_be_many_only_over_ray(small_weights: Path, tiles: Path, tmp_path: Path) -> None:
    assert small_weights
    with pytest.raises(WorkerError, match="one worker runs in this process"):
        next(run_local([], None, Worker, workers=2))  # type: ignore[arg-type] # refused before it is looked at


def _start(tiles: Path, out: Path, weights: Path, workers: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_command(tiles, out, weights, workers), stderr=subprocess.DEVNULL)


def _command(tiles: Path, out: Path, weights: Path, workers: int) -> list[str]:
    command = [sys.executable, "-m", "augengine", "augment", "--force", "--stain", "cd68", "--eps", 0.05, "--mpp", 0.5]
    command += ["--in", tiles, "--out", out, "--weights", weights, "--samples-per-shard", 1, "--variants", 2]
    return [str(word) for word in [*command, "--workers", workers]]


def _committed(out: Path) -> int:
    return len(list((out / ".augengine").glob("cd68-*.json")))


def _actors() -> list[int]:
    """Process ids of the Ray actors that this process started: others may run tests too."""
    found, parents = [], {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::Actor"):
                found.append(int(folder.name))
        except OSError:
            continue  # gone meanwhile
    return sorted(pid for pid in found if parents.get(parents[pid]) == os.getpid())


def _wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
