"""A joined cluster: engines reach nodes that have none, nodes that would make other bytes are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from augengine.dataset.outfit import EngineOutfit
from augengine.errors import SpecError, WorkerError
from augengine.fleet import fitting
from augengine.fleet.cluster import find_nodes, join
from augengine.fleet.hiring import Hiring
from augengine.fleet.nodes import Node, Seen, check_nodes, crew, look, write_probe
from tests.support.datasets import digests, leftovers, make
from tests.support.node_cluster import WITHOUT_TOKENS, node_cluster, with_version
from tests.support.pictures import write_folder
from tests.support.slide_files import specimen, write_slide

NAMES = [f"tile_{i:02d}" for i in range(12)]
OPTIONS = {"samples_per_shard": 1, "variants": 1}


def _node(cpus: int, gpus: int = 0) -> Node:
    return Node(id=f"{cpus}-{gpus}", host=f"host{cpus}", cpus=cpus, gpus=gpus)


@pytest.mark.parametrize(
    ("nodes", "workers", "on_gpu", "expected"),
    [
        ([_node(8), _node(8)], None, False, (2, 8)),
        ([_node(8), _node(8)], 3, False, (3, 4)),
        ([_node(1), _node(1)], 1, False, (1, 1)),
        ([_node(6), _node(2)], 2, False, (2, 3)),
        ([_node(16, 4), _node(64)], None, True, (4, 4)),
    ],
)
def test_a_crew_has_the_most_threads_with_which_it_fits(
    nodes: list[Node], workers: int | None, on_gpu: bool, expected: tuple[int, int]
) -> None:
    assert crew(nodes, workers, on_gpu=on_gpu) == expected


def test_workers_that_share_a_gpu_have_less_of_the_cores() -> None:
    nodes = [_node(16, 2), _node(64)]
    assert crew(nodes, None, on_gpu=True, per_gpu=3) == (6, 2)
    assert crew(nodes, 4, on_gpu=True, per_gpu=3) == (4, 4)
    with pytest.raises(WorkerError, match="room for 6 workers, 3 each, and 7"):
        crew(nodes, 7, on_gpu=True, per_gpu=3)


def test_a_crew_that_no_node_has_room_for_is_refused() -> None:
    with pytest.raises(WorkerError, match="has 2 CPUs, 3 workers"):
        crew([_node(2)], 3, on_gpu=False)
    with pytest.raises(WorkerError, match="no node of the cluster has GPUs"):
        crew([_node(2)], None, on_gpu=True)


def test_a_node_that_sees_another_folder_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "tile.tar"
    image.write_bytes(b"1234")
    probe = write_probe(str(tmp_path / "out"), [str(image)])
    node = _node(1)
    check_nodes([node], [look(node.id, probe, None)], probe, None)
    image.write_bytes(b"12")
    with pytest.raises(WorkerError, match=r"the input .* is missing or another there"):
        check_nodes([node], [look(node.id, probe, None)], probe, None)
    image.write_bytes(b"1234")
    with pytest.raises(WorkerError, match="does not arrive here"):
        check_nodes([_node(2)], [Seen(machine="", trouble="")], probe, None)
    (Path(probe.folder) / f"probe-{probe.word}").unlink()
    with pytest.raises(WorkerError, match="No such file"):
        check_nodes([node], [look(node.id, probe, None)], probe, None)
    input_only = write_probe("s3://bucket/out", [str(image)])
    image.unlink()
    with pytest.raises(WorkerError, match=r"the input .* is missing"):
        check_nodes([node], [look(node.id, input_only, None)], input_only, None)


@dataclass(frozen=True)
class _Anywhere:
    """What a worker is, as far as nodes are asked."""

    target: str
    threads: int = 1
    device_id: int | None = None
    workers_per_gpu: int = 1


class _Idle:
    """A worker that does nothing."""

    samples_done = 0

    def __init__(self, worker: object) -> None:
        self.worker = worker


@pytest.mark.e2e
def test_two_workers_start_on_one_gpu(tmp_path: Path) -> None:
    """Ray places by numbers, and asks no driver: no GPU is needed."""
    worker = _Anywhere(str(tmp_path), device_id=0, workers_per_gpu=2)
    with join(None, 2, worker) as cluster:
        assert cluster.ray.cluster_resources()["GPU"] == 1
        hiring = Hiring(cluster=cluster, worker=worker, start=_Idle, fitting=None, on_warning=print)  # type: ignore[arg-type]
        members = [hiring.hire(place) for place in (0, 1)]
        assert len(cluster.ray.get([member.arrival for member in members], timeout=120)) == 2


@pytest.mark.e2e
def test_a_node_that_died_unnoticed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = _Anywhere(str(tmp_path))
    with join(None, 1, worker) as cluster:
        here = find_nodes(cluster.ray)
        dead = Node(id="ab" * (len(here[0].id) // 2), host="gone", cpus=1, gpus=0)
        named = iter([[*here, dead], [*here, dead]])  # when asked, and once more before its death is noticed
        monkeypatch.setattr(fitting, "find_nodes", lambda _: next(named, here))
        with fitting.fitting(cluster.ray, worker, [], None) as fitted:
            assert fitted.asked == {here[0].id}
        named = iter([[dead]])
        with pytest.raises(WorkerError, match="every node of the cluster died"):
            fitting.fitting(cluster.ray, worker, [], None).__enter__()


@pytest.mark.e2e
def test_a_living_node_that_cannot_work_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ImportError("no module named openvino")

    def wait(*_: object) -> None:
        raise AssertionError("its death was waited for")

    monkeypatch.setattr(fitting, "look", fail)
    monkeypatch.setattr(fitting, "_dies", wait)
    worker = _Anywhere(str(tmp_path))
    with (
        join(None, 1, worker) as cluster,
        pytest.raises(WorkerError, match="cannot work: ImportError: no module named openvino"),
    ):
        fitting.fitting(cluster.ray, worker, [], None).__enter__()


def test_classes_are_refused_by_name() -> None:
    nodes, probe = [_node(1), _node(2)], write_probe("s3://bucket/out", [])
    outfit = EngineOutfit(backend="openvino")
    seen = [Seen(machine=outfit.machine(), trouble=""), Seen(machine="cpu-other", trouble="")]
    with pytest.raises(SpecError, match=r"host2: cpu-other"):
        check_nodes(nodes, seen, probe, outfit)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("tiles"), NAMES, masks=True, height=64, width=64)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tmp_path_factory.mktemp("home_a"), tmp_path_factory.mktemp("home_b")


@pytest.fixture(scope="module")
def cluster(homes: tuple[Path, Path]) -> Iterator[str]:
    with node_cluster(*map(str, homes)) as nodes:
        yield nodes.address


@pytest.mark.e2e
@pytest.mark.ray
def test_nodes_get_weights_by_digest_and_give_the_bytes_of_one_machine(
    cluster: str, homes: tuple[Path, Path], tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    assert make(tiles, tmp_path / "clean", small_weights, **OPTIONS).complete()
    run = _join(cluster, tiles, tmp_path / "out", small_weights)
    assert run.returncode == 0, run.stderr
    assert digests(tmp_path / "out") == digests(tmp_path / "clean")
    assert leftovers(tmp_path / "out") == []
    plan = json.loads((tmp_path / "out" / ".augengine" / "plan.json").read_text())["engines"]
    both, weights = {plan["to_reference"], plan["from_reference"]}, set(plan["weights"])
    built = [{folder.name for folder in (home / "engines").glob("[!.]*/")} for home in homes]
    fetched = [{file.stem for file in (home / "weights" / "digests").iterdir()} for home in homes]
    # On a busy machine one node may have made every shard before the other has built its second engine.
    assert both in built
    assert weights in fetched
    assert all(each <= both for each in built)
    assert all(each <= weights for each in fetched)


@pytest.mark.e2e
@pytest.mark.ray
@pytest.mark.slow
def test_a_node_with_another_compiler_is_refused(
    homes: tuple[Path, Path], tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    other = with_version(tmp_path / "packages", "openvino", "2020.1")
    with node_cluster(str(homes[0]), f"{homes[1]}={other}") as nodes:
        run = _join(nodes.address, tiles, tmp_path / "out", small_weights)
    assert run.returncode == 2
    assert "the machines are of 2 classes" in run.stderr
    assert "openvino 2020.1" in run.stderr
    assert "one dataset per kind of machine" in run.stderr


@pytest.mark.e2e
@pytest.mark.ray
@pytest.mark.slow
def test_a_node_with_another_library_cuts_no_tiles(homes: tuple[Path, Path], tmp_path: Path) -> None:
    slide, out = write_slide(tmp_path / "slide.tif", specimen()), tmp_path / "out"
    other = with_version(tmp_path / "packages", "pillow", "1.0")
    with node_cluster(str(homes[0]), f"{homes[1]}={other}") as nodes:
        command = ["tile", slide, "--out", out, "--size", 64, "--tiles-per-shard", 2, "--ray", nodes.address]
        refused = _run(*command)
    assert (refused.returncode, "pillow 1.0" in refused.stderr) == (2, True)


def _join(address: str, tiles: Path, out: Path, weights: Path, *more: str) -> subprocess.CompletedProcess[str]:
    options = ["--stain", "cd68", "--eps", 0.05, "--mpp", 0.5, "--weights", weights, "--samples-per-shard", 1]
    return _run("augment", "--force", "--in", tiles, "--out", out, *options, "--ray", address, *more)


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "augengine", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | WITHOUT_TOKENS, timeout=200, check=False
    )


def test_rays_client_is_refused_with_a_reason(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="ray://"):
        make(tiles, tmp_path / "out", small_weights, ray_address="ray://127.0.0.1:10001", **OPTIONS)
