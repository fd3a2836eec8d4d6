"""What a node needs is made there once, however many workers want it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from augengine.dataset.outfit import EngineOutfit
from augengine.dataset.spec import WorkerSpec
from augengine.errors import PlanMismatch
from augengine.shards.verify import verify
from augengine.tiling.outfit import TileOutfit
from augengine.weights.cards import DIRECTIONS, find_weights
from tests.support.datasets import digests, keys, record
from tests.support.slide_files import specimen, write_slide
from tests.support.tilings import cut
from tests.support.workers import worker

pytestmark = pytest.mark.e2e


def test_two_workers_of_a_node_that_want_one_engine_wait_for_one_build(
    small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    weights = find_weights("pas", "cd68", [small_weights])
    files = {weights.digests[each]: weights.path(each) for each in DIRECTIONS}
    spec, fetched, both_ask = (
        _spec(tmp_path, (weights.digests["to-reference"], weights.digests["from-reference"])),
        list[str](),
        threading.Barrier(2),
    )

    def fetch(digest: str) -> bytes:
        fetched.append(digest)
        time.sleep(0.5)  # so long the other one would have to begin too, if it did not wait
        return files[digest].read_bytes()

    def fit() -> tuple[WorkerSpec, dict[Path, int]]:
        both_ask.wait()
        fitted = EngineOutfit(backend="openvino", allow_mixed=True).fit(spec, fetch)
        return fitted, _written(tmp_path / "home" / "engines")

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(fit), pool.submit(fit)
        assert first.result() == second.result()
    assert sorted(fetched) == sorted(files)
    assert len([*(tmp_path / "home" / "engines").glob("[!.]*/")]) == 2


def _spec(folder: Path, digests: tuple[str, str]) -> WorkerSpec:
    spec = worker(folder)
    return replace(spec, engines=replace(spec.engines, weights=digests))


def _written(folder: Path) -> dict[Path, int]:
    """When each file of the engines was written."""
    return {file: file.stat().st_mtime_ns for file in folder.glob("[!.]*/*")}


def test_tiles_of_mixed_machines_name_what_made_them_and_stay_apart_from_others(tmp_path: Path) -> None:
    slide, out = write_slide(tmp_path / "slide.tif", specimen(300, 400)), tmp_path / "out"
    assert cut(slide, out, allow_mixed=True).complete()
    assert {record(out, key)["machine"] for key in keys(out)} == {TileOutfit().machine()}
    assert verify(out).ok
    with pytest.raises(PlanMismatch, match="mixed was True"):
        cut(slide, out)
    plain = tmp_path / "plain"
    assert cut(slide, plain).complete()
    with pytest.raises(PlanMismatch, match="mixed was None, is now True"):
        cut(slide, plain, allow_mixed=True)
    for file in (plain / ".augengine").glob("slide-0*.json"):
        file.unlink()  # a plan that committed nothing may still become mixed
    assert cut(slide, plain, allow_mixed=True).complete()
    assert digests(plain) == digests(out)
