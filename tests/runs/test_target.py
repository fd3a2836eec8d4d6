"""The folder of a dataset: one run holds it, a dead run's is taken over, and what is unfit is refused untouched."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from augengine.errors import SpecError, TargetError, TargetInUse
from augengine.runs import open_target, read_plan, write_plan
from augengine.runs.target import Owner
from augengine.shards.layout import lock_file, spool_folder
from tests.support.plans import a_plan


def test_a_target_is_made_locked_and_released(tmp_path: Path) -> None:
    target = tmp_path / "a" / "out"
    with open_target(target):
        assert lock_file(target).exists()
        write_plan(target, a_plan())
    assert not lock_file(target).exists()
    assert read_plan(target) is not None


def test_a_run_that_was_refused_leaves_no_folder_behind(tmp_path: Path) -> None:
    def refused() -> None:
        with open_target(tmp_path / "out"):
            raise SpecError("refused")

    with pytest.raises(SpecError):
        refused()
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_on_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with open_target(tmp_path), pytest.raises(TargetInUse, match=f"process {os.getpid()}"), open_target(tmp_path):
        pass
    with open_target(tmp_path):
        pass


def hold(folder: Path, taken: Callable[[], object], go: Callable[[], object]) -> None:
    with open_target(folder):
        taken()
        go()


def test_a_run_of_another_process_is_refused_until_that_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    taken, never = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path, taken.set, never.wait))
    holder.start()
    assert taken.wait(30)
    with pytest.raises(TargetInUse, match=f"process {holder.pid}"), open_target(tmp_path):
        pass
    holder.kill()
    holder.join()
    assert lock_file(tmp_path).exists()
    with open_target(tmp_path):
        assert Owner(**json.loads(lock_file(tmp_path).read_text())) == Owner.me()


def test_only_one_of_many_takes_over_a_dead_run_s_folder(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock_file(tmp_path).parent.mkdir()
    lock_file(tmp_path).write_text(json.dumps({"host": Owner.me().host, "pid": gone.pid, "start": "x 1"}))
    everybody = threading.Barrier(8, timeout=30)

    def take() -> bool:
        everybody.wait()
        try:
            with open_target(tmp_path):
                everybody.wait()
                return True
        except TargetInUse:
            everybody.wait()
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: take(), range(8))) == [False] * 7 + [True]


def test_a_process_that_has_a_dead_one_s_number_does_not_hold_its_lock(tmp_path: Path) -> None:
    lock_file(tmp_path).parent.mkdir()
    lock_file(tmp_path).write_text(json.dumps({"host": Owner.me().host, "pid": os.getpid(), "start": "another boot 1"}))
    with open_target(tmp_path):
        pass


@pytest.mark.parametrize("lock", ['{"host": "elsewhere", "pid": 1, "start": ""}', "{", ""])
def test_the_lock_of_another_host_or_a_damaged_one_is_left_alone(tmp_path: Path, lock: str) -> None:
    lock_file(tmp_path).parent.mkdir()
    lock_file(tmp_path).write_text(lock)
    with pytest.raises(TargetInUse) as caught, open_target(tmp_path):
        pass
    assert f"delete {lock_file(tmp_path)}" in caught.value.hint
    assert lock_file(tmp_path).read_text() == lock


def test_leftovers_of_a_killed_run_are_removed_only_under_the_lock(tmp_path: Path) -> None:
    write_plan(tmp_path, a_plan())
    leftovers = [spool_folder(tmp_path) / "cd68-000000.tar", tmp_path / ".cd68-000000.tar.77.part"]
    with open_target(tmp_path):
        for leftover in leftovers:
            leftover.write_bytes(b"half")
        with pytest.raises(TargetInUse), open_target(tmp_path):
            pass
        assert all(leftover.exists() for leftover in leftovers)
    with open_target(tmp_path):
        assert not any(leftover.exists() for leftover in leftovers)


def test_a_folder_with_other_files_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("")
    with pytest.raises(TargetError, match=r"thesis\.doc"), open_target(tmp_path):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_target_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="cannot write"), open_target(tmp_path / "file" / "out"):
        pass


def test_a_read_only_target_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(target)]
    if os.geteuid() != 0:
        target.chmod(0o500)
    elif subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("root can write everywhere, and may not mount here")
    try:
        with pytest.raises(TargetError, match="cannot write") as caught, open_target(target):
            pass
        assert caught.value.hint
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", target], check=True)
