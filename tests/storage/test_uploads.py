"""What killed runs leave on a store, and what does not belong there, is dealt with as on a disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from augengine.errors import SpecError, TargetError
from augengine.runs import open_target, quarantine, read_plan, remembered
from augengine.shards.layout import index_file, report_file, tar_file
from augengine.shards.verify import verify
from augengine.storage import AnyPath, UrlPath, delete, read_whole, unfinished_uploads, write_if_absent
from tests.support.datasets import digests, leftovers, make
from tests.support.pictures import write_folder
from tests.support.places import ROOT
from tests.support.store_server import Store

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("tiles"), [f"tile_{i}" for i in range(5)])


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> AnyPath:
    """The laws are the same for both."""
    return request.getfixturevalue("s3_folder") if request.param == "s3" else tmp_path / "out"


def test_orphans_are_made_anew_and_what_is_whole_stays(tiles: Path, small_weights: Path, folder: AnyPath) -> None:
    make(tiles, folder, small_weights, samples_per_shard=1)
    before = digests(folder)
    delete(report_file(folder, "cd68-000000"))  # a shard without report
    delete(tar_file(folder, "cd68-000001"))  # a report without shard
    delete(index_file(folder, "cd68-000002"))
    half = tar_file(folder, "cd68-000003")
    data = read_whole(half) or b""
    delete(half)
    write_if_absent(half, data[: len(data) // 2])
    assert make(tiles, folder, small_weights, samples_per_shard=1).resumed == 1
    assert digests(folder) == before
    assert verify(folder).ok


def test_foreign_files_are_refused_named_and_left_alone(tiles: Path, small_weights: Path, folder: AnyPath) -> None:
    if isinstance(folder, Path):
        folder.mkdir()
    write_if_absent(folder / "thesis.doc", b"mine")
    with pytest.raises(TargetError, match=r"thesis\.doc"):
        make(tiles, folder, small_weights)
    delete(folder / "thesis.doc")
    make(tiles, folder, small_weights, limit=1)
    write_if_absent(folder / "cd68-000009.tar", b"of an older dataset")
    assert make(tiles, folder, small_weights, limit=1).resumed == 1
    assert [problem for problem in verify(folder).problems if "cd68-000009.tar is not part" in problem]
    assert read_whole(folder / "cd68-000009.tar") == b"of an older dataset"


def test_a_quarantine_on_a_store_is_remembered_and_retried(
    tiles: Path, small_weights: Path, s3_folder: UrlPath
) -> None:
    make(tiles, s3_folder, small_weights, samples_per_shard=2)
    plan = read_plan(s3_folder)
    assert plan is not None
    quarantine(s3_folder, plan.jobs[0], 1, "it kills the worker")
    delete(report_file(s3_folder, plan.jobs[0].output))
    again = make(tiles, s3_folder, small_weights, samples_per_shard=2)
    assert again.failure_lines() == ["tile_1: it kills the worker"]
    assert remembered(s3_folder, plan.jobs) == {"cd68-000000": {1: "it kills the worker"}}
    with pytest.raises(SpecError, match="1 quarantined samples killed"):
        make(tiles, s3_folder, small_weights, samples_per_shard=2, retry_failed=True)


@pytest.mark.ray
@pytest.mark.slow
def test_a_sample_that_kills_workers_is_quarantined_on_a_store_and_comes_through_a_retry(
    tiles: Path, small_weights: Path, s3_folder: UrlPath, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tests.fleet.test_deaths import run_deadly

    make(tiles, tmp_path / "clean", small_weights, samples_per_shard=2)
    monkeypatch.setenv("TEST_KILL", "tile_2")
    reports = run_deadly(tiles, s3_folder, small_weights, workers=2, samples_per_shard=2)
    failures = [(bad.key, bad.reason) for report in reports.values() for bad in report.failures]
    assert failures == [("tile_2", "it kills the worker: the process dies of it")]
    assert verify(s3_folder).ok
    assert leftovers(s3_folder) == []
    monkeypatch.delenv("TEST_KILL")
    retried = make(tiles, s3_folder, small_weights, samples_per_shard=2, workers=2, retry_failed=True)
    assert retried.complete()
    assert retried.resumed == 2
    found = {name: digest for name, digest in digests(s3_folder).items() if name != "quarantine.json"}
    assert found == digests(tmp_path / "clean")


_UPLOAD = """
import sys
from pathlib import Path
from augengine.storage import UrlPath, publish_url
publish_url(Path(sys.argv[1]), UrlPath(sys.argv[2]))
"""


def _killed_in_an_upload(server: Store, file: Path, place: UrlPath) -> None:
    """Upload a file from another process, which is killed when a part of it arrives."""
    command = [sys.executable, "-c", _UPLOAD, str(file), str(place)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        struck = threading.Event()

        def strike(method: str, path: str, number: int) -> str:
            if method == "PUT" and not struck.is_set():
                struck.set()
                os.kill(process.pid, signal.SIGKILL)
            return ""

        server.fault = strike
        process.wait(30)
    server.heal()
    assert process.returncode == -signal.SIGKILL


def test_uploads_of_a_killed_run_are_dropped_by_the_next_and_those_of_others_are_not(
    s3_server: Store, s3_folder: UrlPath, tmp_path: Path
) -> None:
    (large := tmp_path / "large").write_bytes(bytes(20 << 20))
    _killed_in_an_upload(s3_server, large, s3_folder / "cd68-000000.tar")
    bucket, key = s3_folder.url.removeprefix("s3://").split("/")
    for other in ("film.mp4", "deeper/cd68-000000.tar"):
        s3_folder.filesystem.call_s3("create_multipart_upload", Bucket=bucket, Key=f"{key}/{other}")
    assert len(leftovers(s3_folder)) == 2  # what lies deeper is another folder's
    with open_target(s3_folder):
        assert leftovers(s3_folder) == ["lock", f"{key}/film.mp4"]
        s3_folder.filesystem.call_s3("create_multipart_upload", Bucket=bucket, Key=f"{key}/cd68-000001.tar")
    assert leftovers(s3_folder) == [f"{key}/film.mp4"]  # those of workers that were killed meanwhile too
    assert len(unfinished_uploads(s3_folder / "deeper", (".tar",))) == 1
