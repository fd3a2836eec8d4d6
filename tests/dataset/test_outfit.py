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
from augengine.errors import WrongDevice
from augengine.weights.cards import DIRECTIONS, find_weights
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

    def fit() -> dict[Path, int]:
        both_ask.wait()
        with pytest.raises(WrongDevice, match="makes other engines"):  # the spec names engines that nobody makes
            EngineOutfit(backend="openvino").fit(spec, fetch)
        return _written(tmp_path / "home" / "engines")

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
