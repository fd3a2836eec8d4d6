"""The plan in a dataset's folder: it comes back as it was, and another is refused by what differs."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from augengine.errors import PlanMismatch, ShardError, TargetError
from augengine.jobs import Report
from augengine.runs import Plan, check_plan, committed, leave_out, quarantine, read_plan, write_plan
from augengine.shards import records, write_report
from augengine.shards.layout import index_file, plan_file, report_file, tar_file
from augengine.shards.records import PLAN_FORMAT
from augengine.spec import NoiseSpec
from tests.support.plans import SPEC, a_plan, folder_listing


def write_shard(folder: Path, *, samples: int) -> None:
    """Commit the first shard of `a_plan`, as far as reports tell: with a sample, or with none that could be read."""
    name = a_plan().jobs[0].output
    if samples:
        tar_file(folder, name).write_bytes(b"tar")
        index_file(folder, name).write_bytes(b"v1.2 1")
    sha256, size = ("x", 3) if samples else ("", 0)
    write_report(folder, Report(output=name, samples_in=4, samples_out=samples, sha256=sha256, size=size))


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
    write_shard(tmp_path, samples=1)
    with pytest.raises(PlanMismatch, match=words) as caught:
        check_plan(tmp_path, other)
    assert "another folder" in caught.value.hint
    assert ("--retry-failed" in caught.value.hint) == ("names or sizes" in words)
    assert check_plan(tmp_path, a_plan())


def test_unequal_plans_always_have_a_difference_to_name(tmp_path: Path) -> None:
    check_plan(tmp_path, a_plan())
    write_shard(tmp_path, samples=1)
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
        with pytest.raises(PlanMismatch):
            check_plan(tmp_path, other)


def test_a_folder_in_which_no_sample_was_written_is_free_for_another_plan(tmp_path: Path) -> None:
    check_plan(tmp_path, a_plan())
    write_shard(tmp_path, samples=0)
    quarantine(tmp_path, a_plan().jobs[1], 0, "it kills the worker")
    assert check_plan(tmp_path, a_plan())
    assert set(committed(tmp_path, a_plan())) == {"cd68-000000"}
    other = a_plan(spec=replace(SPEC, variants=3))
    assert not check_plan(tmp_path, other)
    assert read_plan(tmp_path) == other
    assert committed(tmp_path, other) == {}
    assert leave_out(tmp_path, other.jobs) == list(other.jobs)


def test_a_damaged_or_foreign_plan_is_refused(tmp_path: Path) -> None:
    write_plan(tmp_path, a_plan())
    whole = plan_file(tmp_path).read_text()
    plan_file(tmp_path).write_text(whole[:-20])
    with pytest.raises(ShardError, match="cannot be read"):
        read_plan(tmp_path)
    plan_file(tmp_path).write_text(json.dumps({**json.loads(whole), "version": 1}))
    with pytest.raises(PlanMismatch, match="format 1"):
        read_plan(tmp_path)
    plan_file(tmp_path).write_text(json.dumps({"version": PLAN_FORMAT, "jobs": [{}]}))
    with pytest.raises(ShardError, match=r"jobs\[0\]: object missing required field"):
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


def test_a_report_that_the_disk_does_not_give_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = a_plan()
    write_report(tmp_path, Report(output=plan.jobs[0].output))

    def fail(*_: object, **__: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(records, "read_whole", fail)
    with pytest.raises(TargetError, match="Input/output error") as refused:
        committed(tmp_path, plan)
    assert "run again" in refused.value.hint
