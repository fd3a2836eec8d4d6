"""The lock of a target on a store: one run holds it, one takes over, and who lost it publishes nothing more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from augengine.errors import TargetError, TargetInUse
from augengine.runs import Hold, Owner, open_target, remote
from augengine.shards.layout import lock_file, run_file, tar_file
from augengine.storage import UrlPath, delete, names, read_whole, version_of, write_if_absent, write_if_version
from tests.support.datasets import Listener, make, request
from tests.support.pictures import write_folder
from tests.support.store_server import Conditions, Store

pytestmark = pytest.mark.e2e

DEAD = b'{"host": "gone", "pid": 1, "start": "x", "run": "y"}'


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(remote, "STALE_SECONDS", 0.6)


def test_two_runs_cannot_hold_one_target(s3_folder: UrlPath) -> None:
    with open_target(s3_folder), pytest.raises(TargetInUse, match=f"process {os.getpid()}"), open_target(s3_folder):
        pass
    assert names(s3_folder / ".augengine") == []


def test_a_lock_that_nobody_renews_is_taken_over(s3_folder: UrlPath) -> None:
    write_if_absent(lock_file(s3_folder), DEAD)
    with open_target(s3_folder) as hold:
        assert hold.was_killed


def test_of_runs_that_take_over_at_once_one_wins(s3_folder: UrlPath) -> None:
    write_if_absent(lock_file(s3_folder), DEAD)
    over = threading.Event()

    def run(_: int) -> bool:
        with suppress(TargetInUse), open_target(s3_folder):
            over.wait(10)
            return True
        over.set()  # the loser has seen the winner's lock being renewed
        return False

    with ThreadPoolExecutor(2) as runs:
        assert sorted(runs.map(run, range(2))) == [False, True]


@pytest.mark.parametrize("conditions", ["kept", "unknown", "ignored"])
def test_a_file_is_replaced_only_if_it_is_the_version_that_was_seen(
    s3_server: Store, s3_folder: UrlPath, conditions: Conditions
) -> None:
    """A store without conditional writes holds it too, as long as nobody writes between asking and writing."""
    s3_server.conditions = conditions
    file = s3_folder / "a"
    assert write_if_absent(file, b"one")
    assert not write_if_absent(file, b"two")
    version = version_of(file)
    assert version is not None
    assert write_if_version(file, b"three", version)
    if conditions != "ignored":
        assert not write_if_version(file, b"four", version)
        assert read_whole(file) == b"three"


def test_what_is_gone_is_not_replaced(s3_folder: UrlPath) -> None:
    write_if_absent(s3_folder / "a", b"one")
    version = version_of(s3_folder / "a")
    assert version is not None
    delete(s3_folder / "a")
    assert version_of(s3_folder / "a") is None
    assert not write_if_version(s3_folder / "a", b"two", version)
    assert names(s3_folder) == []


def test_a_write_whose_answer_was_lost_meets_itself(s3_server: Store, s3_folder: UrlPath) -> None:
    puts: list[str] = []

    def lose_first(method: str, path: str, number: int) -> str:
        puts.extend([path] * (method == "PUT"))
        return "lost" if method == "PUT" and len(puts) == 1 else ""

    s3_server.fault = lose_first
    assert write_if_absent(s3_folder / "a", b"one")
    version = version_of(s3_folder / "a")
    assert version is not None
    puts.clear()
    assert write_if_version(s3_folder / "a", b"two", version)
    assert len(puts) == 2
    assert read_whole(s3_folder / "a") == b"two"


def test_a_failing_store_is_not_taken_for_an_unmet_condition(
    s3_server: Store, s3_folder: UrlPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    write_if_absent(s3_folder / "b", b"one")
    version = version_of(s3_folder / "b")
    assert version is not None
    s3_server.fault = lambda method, *_: "500" if method == "PUT" else ""
    with pytest.raises(TargetError):
        write_if_absent(s3_folder / "a", b"one")
    with pytest.raises(TargetError):
        write_if_version(s3_folder / "b", b"two", version)


def _steal(folder: UrlPath) -> None:
    """Take the lock over as another machine would after it saw nothing for long enough."""
    while True:
        version = version_of(lock_file(folder))
        if version and write_if_version(lock_file(folder), DEAD, version):
            return


def test_who_lost_the_lock_notices_and_leaves_it_alone(s3_folder: UrlPath) -> None:
    with open_target(s3_folder) as hold:
        told = hold.checking(lambda _: None)
        told(1)
        _steal(s3_folder)
        assert hold.lost.wait(10)
        with pytest.raises(TargetInUse, match="process 1 on gone") as caught:
            told(2)
        assert "status" in caught.value.hint
    assert read_whole(lock_file(s3_folder)) == DEAD


def test_a_removed_lock_stops_its_run_too(s3_folder: UrlPath) -> None:
    with open_target(s3_folder) as hold:
        delete(lock_file(s3_folder))
        with pytest.raises(TargetInUse, match="removed"):
            hold.fence.check()


def test_a_renewal_whose_answer_is_lost_is_a_renewal(s3_server: Store, s3_folder: UrlPath) -> None:
    with open_target(s3_folder) as hold:
        s3_server.fault = lambda method, path, number: "lost" if method == "PUT" and s3_server.injected == lost else ""
        lost, before = s3_server.injected, read_whole(lock_file(s3_folder))
        until = time.monotonic() + 10
        while read_whole(lock_file(s3_folder)) == before and time.monotonic() < until:
            time.sleep(0.1)
        assert s3_server.injected == lost + 1
        assert not hold.lost.wait(1)
        hold.fence.check()


class _Thief(Listener):
    """Takes the lock over as soon as the run begins."""

    def __init__(self, folder: UrlPath) -> None:
        super().__init__()
        self._folder = folder

    def begin(self, total: int, already: int) -> None:
        _steal(self._folder)


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_whose_lock_was_taken_over_publishes_nothing_more(
    small_weights: Path, s3_folder: UrlPath, tmp_path: Path, workers: int
) -> None:
    from augengine.dataset import augment

    tiles = write_folder(tmp_path / "in", ["a", "b"])
    wanted = request(tiles, s3_folder, small_weights, samples_per_shard=1, workers=workers)
    with pytest.raises(TargetInUse, match="taken over"):
        augment(wanted, _Thief(s3_folder))
    assert [name for name in names(s3_folder) if not name.startswith(".")] == []
    assert b'"running"' in (read_whole(run_file(s3_folder)) or b"")  # the other's, as far as we know
    delete(lock_file(s3_folder))
    assert make(tiles, s3_folder, small_weights, samples_per_shard=1).complete()
    assert read_whole(tar_file(s3_folder, "cd68-000001"))


def test_a_hold_of_a_disk_has_no_fence(tmp_path: Path) -> None:
    with open_target(tmp_path) as hold:
        assert hold == Hold(was_killed=False, lost=hold.lost)
        hold.fence.check()


@pytest.mark.slow
def test_of_commands_that_go_on_with_a_dead_run_at_once_one_makes_each_shard(
    small_weights: Path, s3_server: Store, s3_folder: UrlPath, tmp_path: Path
) -> None:
    tiles = write_folder(tmp_path / "in", [f"t{i}" for i in range(6)])
    dead = {"host": Owner.me().host, "pid": os.getpid(), "start": "before", "run": "x"}
    write_if_absent(lock_file(s3_folder), json.dumps(dead).encode())
    puts: list[str] = []

    def watch(method: str, path: str, number: int) -> str:
        is_shard = method == "PUT" and path.endswith(".tar")
        puts.extend([path.rpartition("/")[2]] * is_shard)
        return "slow" if is_shard else ""

    s3_server.fault = watch
    words = ["augment", "--force", "--stain", "cd68", "--eps", "0.05", "--mpp", "0.5", "--samples-per-shard", "1"]
    words += ["--in", str(tiles), "--out", str(s3_folder), "--weights", str(small_weights)]
    command = [sys.executable, "-m", "augengine", *words]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=200)[1] for run in runs]
    assert sorted(puts) == [f"cd68-{i:06d}.tar" for i in range(6)]
    assert 0 in [run.returncode for run in runs]
    assert not [text for run, text in zip(runs, said, strict=True) if run.returncode and "is in use by" not in text]
