"""A dataset in int8: its plan carries the ranges, so that every worker, node and home makes the same engines."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from augengine.dataset import AugmentRequest, augment
from augengine.dataset.outfit import EngineOutfit
from augengine.dataset.reopen import planned_engines
from augengine.engines._openvino import OpenVinoBackend
from augengine.errors import EngineError
from augengine.runs.plan import read_plan
from augengine.weights.cards import DIRECTIONS, find_weights
from augengine.weights.home import SAMPLE_WEIGHTS
from tests.support.pictures import write_folder
from tests.support.workers import worker

NO_INT8 = OpenVinoBackend().why_no_int8()
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(NO_INT8), reason=NO_INT8 or "it runs here")]

NAMES = [f"t{number}" for number in range(4)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8") / "in"
    write_folder(folder, NAMES, height=64, width=64)
    return folder


@pytest.fixture
def request_for(source: Path) -> Callable[[Path], AugmentRequest]:
    def make(out: Path) -> AugmentRequest:
        return AugmentRequest(
            stain="cd68",
            source=str(source),
            out=out,
            eps=0.5,
            variants=2,
            samples_per_shard=2,
            mpp=0.5,
            weights=SAMPLE_WEIGHTS,
            precision="int8",
            force=True,
            workers=1,
        )

    return make


def shards(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.tar"))}


def test_another_home_goes_on_with_the_plans_ranges(
    request_for: Callable[[Path], AugmentRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = augment(request_for(tmp_path / "out"))
    assert done.complete()
    expected = shards(tmp_path / "out")
    assert len(expected) == 2
    for file in sorted((tmp_path / "out").glob("*000001.*")):
        file.unlink()
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "elsewhere"))
    assert augment(request_for(tmp_path / "out")).complete()
    assert shards(tmp_path / "out") == expected


def test_a_node_makes_the_very_engines_of_the_plan(
    request_for: Callable[[Path], AugmentRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    augment(request_for(tmp_path / "out"))
    plan = read_plan(tmp_path / "out")
    assert plan is not None
    engines = planned_engines(tmp_path / "out", plan)
    assert engines.precision == "int8"
    weights = find_weights("pas", "cd68", [SAMPLE_WEIGHTS])
    files = {weights.digests[each]: weights.path(each) for each in DIRECTIONS}
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "node"))
    fitted = EngineOutfit(backend="openvino").fit(
        replace(worker(tmp_path), engines=engines), lambda digest: files[digest].read_bytes()
    )
    assert fitted.engines == engines
    assert Path(fitted.store).is_relative_to(tmp_path / "node")


@pytest.mark.slow
def test_the_shards_are_equal_with_two_workers(request_for: Callable[[Path], AugmentRequest], tmp_path: Path) -> None:
    augment(request_for(tmp_path / "one"))
    augment(replace(request_for(tmp_path / "two"), workers=2))
    assert shards(tmp_path / "one") == shards(tmp_path / "two")


def test_without_building_a_new_source_is_refused(
    request_for: Callable[[Path], AugmentRequest], tmp_path: Path
) -> None:
    write_folder(tmp_path / "other", ["a"], height=64, width=64)
    shutil.copy(tmp_path / "other" / "a.png", tmp_path / "other" / "b.png")
    augment(request_for(tmp_path / "first"))  # the other engines are there
    wanted = replace(request_for(tmp_path / "out"), source=str(tmp_path / "other"), no_build=True)
    with pytest.raises(EngineError, match="ranges of int8 are not measured"):
        augment(wanted)
