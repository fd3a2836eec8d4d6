"""One run is told in one shape: by `augment` and `tile`, by `status`, and in the summary beside the shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from augengine.cli.main import main
from augengine.dataset import Summary
from augengine.jobs import Report
from augengine.runs.account import Account, Loss, ShardAccount
from augengine.runs.outcome import Outcome
from augengine.tiling.outcome import TileSummary
from augengine.tiling.spec import TileSpec
from tests.support.pictures import write_folder
from tests.support.slide_files import specimen, write_slide
from tests.support.workers import worker

SAMPLES = ["in", "written", "failed", "quarantined", "emptied", "left", "out"]
SHARDS = ["planned", "done", "failed", "left"]


def told(*words: object) -> dict[str, Any]:
    result = CliRunner().invoke(main, [str(word) for word in words])
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def everywhere(out: Path, first: dict[str, Any]) -> list[dict[str, Any]]:
    """What the command said, what `status` says, and what the summary holds."""
    return [first, told("status", out, "--json"), json.loads((out / ".augengine" / "summary.json").read_text())]


def same(tellings: list[dict[str, Any]]) -> dict[str, Any]:
    first = tellings[0]
    assert sorted(first["samples"]) == sorted(SAMPLES)
    assert sorted(first["shards"]) == sorted(SHARDS)
    for name in ("samples", "shards", "bytes", "failures", "failed_shards"):
        assert [each[name] for each in tellings] == [first[name]] * len(tellings)
    samples = first["samples"]
    assert samples["in"] == sum(samples[name] for name in ("written", "failed", "quarantined", "emptied", "left"))
    return first


@pytest.mark.e2e
def test_augment_status_and_summary_tell_the_same(small_weights: Path, tmp_path: Path) -> None:
    source, out = write_folder(tmp_path / "in", ["a", "b", "c"]), tmp_path / "out"
    (source / "b.png").write_bytes(b"no picture")
    options = ("--stain", "cd68", "--eps", 0.05, "--mpp", 0.5, "--weights", small_weights, "--variants", 2)
    first = told("augment", "--force", "--in", source, "--out", out, *options, "--json")
    found = same(everywhere(out, first))
    assert (found["samples"]["written"], found["samples"]["failed"], found["samples"]["out"]) == (2, 1, 4)
    (failure,) = found["failures"]
    assert failure["key"] == "b"


@pytest.mark.e2e
def test_tile_status_and_summary_tell_the_same(tmp_path: Path) -> None:
    slide, out = write_slide(tmp_path / "s.tif", specimen()), tmp_path / "out"
    first = told("tile", slide, "--out", out, "--mpp", 0.5, "--size", 64, "--json")
    assert same(everywhere(out, first))["samples"]["written"] > 0


def outcome(folder: Path) -> Outcome:
    """One shard made with a bad sample, one that failed."""
    made = ShardAccount(output="a", state="done", planned=4, losses=(Loss("k", "no picture", False),), samples_out=3)
    failed = ShardAccount(output="b", state="failed", planned=4, error="the slide is gone")
    reports = (Report(output="a", samples_in=4, samples_out=3), Report(output="b", error="the slide is gone"))
    account = Account((made, failed))
    return Outcome(folder=folder, account=account, reports=reports, resumed=0, retried=0, seconds=1.0)


@pytest.mark.parametrize("command", ["augment", "tile"])
def test_a_shard_that_failed_is_never_counted_as_made(command: str, tmp_path: Path) -> None:
    ended = outcome(tmp_path)
    engines = worker(tmp_path).engines
    result = (
        TileSummary(outcome=ended, spec=TileSpec(), surveys=())
        if command == "tile"
        else Summary(outcome=ended, engines=engines)
    )
    said = result.to_json()
    assert said["shards"] == {"planned": 2, "done": 1, "failed": 1, "left": 0}
    assert said["failed_shards"] == {"b": "the slide is gone"}
    assert said["samples"] == {"in": 8, "written": 3, "failed": 5, "quarantined": 0, "emptied": 0, "left": 0, "out": 3}
    assert not said["complete"]
    assert not result.complete(allow_failures=9)
    assert "1 shard in" in result.sentence()
    assert "1 shard failed: run again" in result.sentence()
