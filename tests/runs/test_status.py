"""`augengine status`: a run seen from outside, by its files alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from augengine.cli.main import main
from augengine.errors import ShardError
from augengine.jobs import Report
from augengine.progress import WorkerState
from augengine.runs import open_target, read_status
from augengine.runs.record import read_record, write_record
from augengine.runs.recorder import Recorder, recorded
from augengine.shards.layout import lock_file, report_file, run_file
from tests.support.datasets import Listener, make
from tests.support.pictures import write_folder
from tests.support.places import ROOT
from tests.support.slide_files import specimen, write_slide
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, small_weights: Path) -> Path:
    """A dataset of three shards."""
    folder = tmp_path_factory.mktemp("original")
    make(write_folder(folder / "in", [f"t{i}" for i in range(6)]), folder / "out", small_weights, samples_per_shard=2)
    return folder / "out"


@pytest.fixture
def dataset(original: Path, tmp_path: Path) -> Path:
    """A copy of it, without its last shard."""
    subprocess.run(["cp", "-r", original, tmp_path / "out"], check=True)
    report_file(tmp_path / "out", "cd68-000002").unlink()
    return tmp_path / "out"


def call(*arguments: Any) -> Result:
    """The command."""
    return CliRunner().invoke(main, ["status", *map(str, arguments)])


def test_a_run_that_ended_is_complete(original: Path) -> None:
    result = call(original)
    assert result.exit_code == 0, result.output
    assert "complete" in result.output
    assert "3 done, 0 running, 0 failed, 0 left" in result.output


def test_a_running_dataset_says_what_is_in_hand_its_rate_and_who_holds_it(dataset: Path) -> None:
    worker = WorkerState(place=0, ready=True, samples=1, bad_samples=0, failures=0, holds=("cd68-000002",), rate=1.0)
    with open_target(dataset), recorded(dataset, Listener()) as recorder:
        recorder.begin(6, 4)
        recorder.crew([worker])
        recorder._written = float("-inf")
        time.sleep(0.01)
        recorder.advance(1)
        status = read_status(dataset)
        said = json.loads(call(dataset, "--json").output)
    assert (status.standing, status.running, status.holder_is) == ("running", ["cd68-000002"], "alive")
    assert said["shards"] == {"planned": 3, "done": 2, "failed": 0, "left": 1}
    assert len(said["running"]) == 1
    assert said["lock"]["pid"] == os.getpid()
    assert said["run"]["rate"] > 0
    assert said["run"]["seconds_left"] > 0


def test_a_run_that_was_killed_is_interrupted_though_its_record_says_running(dataset: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from augengine.runs.recorder import recorded
from augengine.runs import open_target
from tests.support.datasets import Listener
with open_target(Path({str(dataset)!r})), recorded(Path({str(dataset)!r}), Listener()) as recorder:
    recorder.begin(6, 4)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)
    status = read_status(dataset)
    assert status.record is not None
    assert status.record.state == "running"
    assert (status.standing, status.holder_is, status.running) == ("interrupted", "dead", [])
    assert call(dataset, "--watch").exit_code == 0  # it does not wait for the dead


@pytest.mark.parametrize(("error", "standing"), [(KeyboardInterrupt(), "interrupted"), (OSError("no disk"), "stopped")])
def test_how_a_run_ended_is_recorded(error: BaseException, standing: str, dataset: Path) -> None:
    with pytest.raises(type(error)), recorded(dataset, Listener()):
        raise error
    assert read_status(dataset).standing == standing


def test_of_another_host_a_fresh_record_tells_that_it_lives(dataset: Path) -> None:
    lock_file(dataset).write_text(json.dumps({"host": "elsewhere", "pid": 7, "start": "x"}))
    Recorder(dataset, Listener()).begin(6, 4)
    assert read_status(dataset).standing == "running"
    record = read_record(dataset)
    assert record is not None
    write_record(dataset, replace(record, updated=record.updated - 3600, began=record.began - 3600))
    assert (read_status(dataset).standing, read_status(dataset).holder_is) == ("silent", "unknown")
    assert "process 7 on elsewhere, not known whether it is alive" in call(dataset).output


def test_a_failed_shard_is_named(dataset: Path) -> None:
    with recorded(dataset, Listener()) as recorder:
        recorder.begin(6, 4)
        list(recorder.follow([Report(output="cd68-000002", error="no memory")]))
    status = read_status(dataset)
    assert (status.standing, status.account.in_state("failed")) == ("failures", 1)
    assert "failed: cd68-000002: no memory" in call(dataset).output


def test_a_record_that_cannot_be_written_stops_no_run(dataset: Path) -> None:
    run_file(dataset).unlink()
    run_file(dataset).mkdir()
    watcher = Listener()
    Recorder(dataset, watcher).begin(6, 4)
    assert watcher.total == 6


def test_a_dataset_from_before_there_were_records_has_a_status(dataset: Path) -> None:
    run_file(dataset).unlink()
    assert read_status(dataset).standing == "unfinished"


def test_a_damaged_record_is_refused_with_its_name(dataset: Path) -> None:
    run_file(dataset).write_text("[]")
    with pytest.raises(ShardError, match=r"run\.json"):
        read_status(dataset)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    result = call(tmp_path)
    assert result.exit_code == 2
    assert "is no dataset" in result.output
    assert "hint:" in result.output


def test_slides_that_were_not_tiled_are_failures_and_named(tmp_path: Path) -> None:
    slides = tmp_path / "slides"
    slides.mkdir()
    write_slide(slides / "good.tif", specimen())
    write_slide(slides / "mute.tif", specimen(seed=1), mpp=None)
    assert not cut(slides, tmp_path / "out").complete()
    found = read_status(tmp_path / "out")
    assert (found.standing, list(found.failed_slides)) == ("failures", ["mute"])
    assert any(line.startswith("slide that was not tiled: mute: ") for line in found.lines())
    assert found.to_json()["failed_slides"] == dict(found.failed_slides)
    assert cut(slides, tmp_path / "out", slide_mpp=0.25).complete()
    assert read_status(tmp_path / "out").standing == "complete"
