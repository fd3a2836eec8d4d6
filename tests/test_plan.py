from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from augengine.errors import PlanMismatch, ShardError, SourceError, SpecError, TargetError, TargetInUse
from augengine.listing import Entry, Listing, Unit, make_listing
from augengine.plan import Plan, check_plan, committed, make_jobs, open_target, read_plan, write_plan
from augengine.plan.target import Owner
from augengine.report import Report
from augengine.shards import write_report
from augengine.shards.layout import index_file, lock_file, plan_file, report_file, spool_folder, tar_file
from augengine.spec import AugmentSpec, NoiseSpec

SPEC = AugmentSpec(stain="cd68", reference="pas", noise=NoiseSpec(eps=0.05))


def folder_listing(samples: int, side: int = 512, size: int = 100) -> Listing:
    entries = (
        Entry(key=f"k{i}", files=((f"k{i}.png", size),), height=side, width=side, reason="bad" if i == 1 else "")
        for i in range(samples)
    )
    return make_listing([Unit(source="/in", entries=tuple(entries))], splits=True)


def tar_listing(*samples: int) -> Listing:
    units = (
        Unit(source=f"{t}.tar", entries=tuple(Entry(key=f"k{t}_{i}", files=(("a", 1),)) for i in range(count)))
        for t, count in enumerate(samples)
    )
    return make_listing(units)


def a_plan(listing: Listing | None = None, spec: AugmentSpec = SPEC, samples_per_shard: int = 4) -> Plan:
    return Plan(
        spec=spec.to_json(),
        source={"kind": "folder", "folder": "/in"},
        engines={"precision": "float32", "height": 512, "width": 512},
        encoder="opencv 5",
        jobs=make_jobs(listing or folder_listing(10), spec, samples_per_shard=samples_per_shard),
    )


# Jobs


def test_a_folder_is_cut_into_chunks_that_cover_it_once() -> None:
    jobs = make_jobs(folder_listing(10), SPEC, samples_per_shard=4)
    assert [(job.first, job.count) for job in jobs] == [(0, 4), (4, 4), (8, 2)]
    assert [job.output for job in jobs] == ["cd68-000000", "cd68-000001", "cd68-000002"]
    assert [job.size for job in jobs] == [400, 400, 200]
    assert jobs[0].excluded == {1: "bad"}
    assert jobs[1].excluded == {}


def test_ordinals_of_bad_samples_count_from_the_source_s_first() -> None:
    (_, second) = make_jobs(folder_listing(2), SPEC, samples_per_shard=1)
    assert second.excluded == {1: "bad"}


def test_tars_become_jobs_one_to_one_and_empty_ones_none() -> None:
    jobs = make_jobs(tar_listing(3, 0, 2), SPEC)
    assert [(job.source, job.first, job.count, job.index) for job in jobs] == [("0.tar", 0, 3, 0), ("2.tar", 0, 2, 1)]
    with pytest.raises(SpecError, match="redistributed"):
        make_jobs(tar_listing(3), SPEC, samples_per_shard=2)


@pytest.mark.parametrize("limit", [1, 4, 5, 9, 100])
def test_a_limit_takes_the_first_samples_of_the_source(limit: int) -> None:
    limited = replace(SPEC, limit=limit)
    for listing, size in ((folder_listing(9), 4), (tar_listing(4, 4, 1), None)):
        jobs = make_jobs(listing, limited, samples_per_shard=size)
        assert sum(job.count for job in jobs) == min(limit, 9)


def test_a_default_shard_has_about_256_mb_of_output() -> None:
    one = make_jobs(folder_listing(2000), SPEC)
    two = make_jobs(folder_listing(2000), replace(SPEC, include_source=True))
    assert 200e6 < one[0].count * 512 * 512 * 3 * 0.7 < 300e6
    assert one[0].count == pytest.approx(2 * two[0].count, abs=1)


def test_an_empty_source_and_a_senseless_shard_size_are_refused() -> None:
    with pytest.raises(SourceError, match="no sample"):
        make_jobs(folder_listing(0), SPEC)
    with pytest.raises(SpecError, match="at least 1"):
        make_jobs(folder_listing(3), SPEC, samples_per_shard=0)


# The plan


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    assert read_plan(tmp_path) is None
    write_plan(tmp_path, a_plan())
    found = read_plan(tmp_path)
    assert found is not None
    assert found.jobs == a_plan().jobs
    assert found.digest == a_plan().digest
    assert found.samples == 10


def test_the_same_plan_goes_on_and_a_first_one_is_written(tmp_path: Path) -> None:
    assert not check_plan(tmp_path, a_plan())
    assert check_plan(tmp_path, a_plan())


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (a_plan(spec=replace(SPEC, noise=NoiseSpec(eps=0.1))), "eps was 0.05, is now 0.1"),
        (a_plan(spec=replace(SPEC, variants=3)), "variants was 1, is now 3"),
        (a_plan(folder_listing(11)), "the input has 11 samples, had 10"),
        (a_plan(samples_per_shard=5), "the shards hold 5 source samples each, held 4"),
        (a_plan(folder_listing(10, size=101)), "names or sizes of the input of cd68-000000 and 2 more changed"),
        (replace(a_plan(), source={"kind": "tars"}), "the source's kind was folder, is now tars"),
        (replace(a_plan(), engines={"precision": "bfloat16"}), "the engines' precision was float32, is now bfloat16"),
        (replace(a_plan(), encoder="opencv 6"), "the encoder was opencv 5, is now opencv 6"),
    ],
)
def test_another_plan_is_refused_naming_the_difference(tmp_path: Path, other: Plan, words: str) -> None:
    check_plan(tmp_path, a_plan())
    with pytest.raises(PlanMismatch, match=words) as caught:
        check_plan(tmp_path, other)
    assert "another folder" in caught.value.hint
    assert check_plan(tmp_path, a_plan())


def test_unequal_plans_always_have_a_difference_to_name(tmp_path: Path) -> None:
    first, *rest = a_plan().jobs
    for changed in (
        replace(first, digest="0"),
        replace(first, excluded={}),
        replace(first, size=1),
        replace(first, output="x"),
        replace(first, source="y"),
    ):
        other = replace(a_plan(), jobs=(changed, *rest))
        assert other.digest != a_plan().digest
        check_plan(tmp_path, a_plan())
        with pytest.raises(PlanMismatch):
            check_plan(tmp_path, other)


def test_a_damaged_or_foreign_plan_is_refused(tmp_path: Path) -> None:
    write_plan(tmp_path, a_plan())
    whole = plan_file(tmp_path).read_text()
    plan_file(tmp_path).write_text(whole[:-20])
    with pytest.raises(ShardError, match="cannot be read"):
        read_plan(tmp_path)
    plan_file(tmp_path).write_text(json.dumps({**json.loads(whole), "version": 2}))
    with pytest.raises(PlanMismatch, match="format 2"):
        read_plan(tmp_path)
    plan_file(tmp_path).write_text(json.dumps({"version": 1, "jobs": [{}]}))
    with pytest.raises(ShardError, match="fields"):
        read_plan(tmp_path)


def test_only_whole_shards_with_a_report_are_committed(tmp_path: Path) -> None:
    plan = a_plan(folder_listing(6), samples_per_shard=1)
    names = [job.output for job in plan.jobs]
    for name in (*names[:2], names[5]):
        tar_file(tmp_path, name).write_bytes(b"tar")
        index_file(tmp_path, name).write_bytes(b"v1.2 1")
    index_file(tmp_path, names[5]).unlink()
    write_report(tmp_path, Report(output=names[5], sha256="x", size=3))
    write_report(tmp_path, Report(output=names[0], sha256="x", size=3))
    write_report(tmp_path, Report(output=names[1], sha256="x", size=4))
    write_report(tmp_path, Report(output=names[2]))
    write_report(tmp_path, Report(output=names[3], error="no memory"))
    report_file(tmp_path, names[4]).write_text("{")
    assert set(committed(tmp_path, plan)) == {names[0], names[2]}


# The target


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
