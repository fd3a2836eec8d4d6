"""The accounts of a dataset: every sample in one place, the summary of each run, and what is tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augengine.errors import ShardError, SpecError
from augengine.jobs import Report
from augengine.runs import choose_retry, leave_out, quarantine, read_plan, read_status, remembered, take_account
from augengine.sample import Failure
from augengine.shards.layout import index_file, report_file, tar_file
from augengine.shards.records import withdraw, write_report
from augengine.shards.verify import verify
from tests.support.datasets import digests, leftovers, make
from tests.support.pictures import encode, tissue, write_folder
from tests.support.slide_files import specimen, write_slide
from tests.support.tilings import cut

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

BAD = "tile_2.png"


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Six tiles, three shards of two; one is no image."""
    folder = write_folder(tmp_path / "tiles", [f"tile_{i}" for i in range(6)])
    (folder / BAD).write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    return folder


def summary(out: Path) -> dict[str, Any]:
    """What the last run left."""
    value: dict[str, Any] = json.loads((out / ".augengine" / "summary.json").read_text())
    return value


def balances(samples: dict[str, int]) -> bool:
    """Whether every sample is somewhere, and none twice."""
    return samples["in"] == sum(samples[name] for name in ("written", "failed", "quarantined", "emptied", "left"))


@pytest.mark.parametrize(("variants", "include_source", "limit"), [(1, False, None), (3, True, None), (2, False, 3)])
def test_samples_in_are_those_written_failed_and_quarantined(
    variants: int, include_source: bool, limit: int | None, tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options: dict[str, Any] = {"variants": variants, "include_source": include_source, "limit": limit}
    made = make(tiles, out, small_weights, samples_per_shard=2, **options)
    samples, number = summary(out)["samples"], limit or 6
    assert balances(samples)
    assert (samples["in"], samples["failed"], samples["left"]) == (number, 1, 0)
    assert samples["out"] == made.samples_out == (number - 1) * (variants + include_source)


def test_a_summary_names_failures_with_reasons_and_every_shards_digest(
    tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    made = make(tiles, out, small_weights, samples_per_shard=2)
    said = summary(out)
    (failure,) = said["failures"]
    assert (failure["shard"], failure["key"]) == ("cd68-000001", "tile_2")
    assert said["by_reason"] == {failure["reason"]: 1}
    found = {name: each["sha256"] for name, each in said["digests"].items()}
    assert found == {report.output: report.sha256 for report in made.reports}
    text = (out / ".augengine" / "summary.md").read_text()
    assert "tile_2" in text
    assert "| 6 | 5 | 1 | 0 |" in text
    assert leftovers(out) == []


def test_a_resumed_run_has_the_summary_of_a_clean_one_but_for_the_run(
    tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    clean = summary(out)
    report_file(out, "cd68-000001").unlink()
    assert read_status(out).standing == "unfinished"
    make(tiles, out, small_weights, samples_per_shard=2)
    assert summary(out)["run"].pop("shards_resumed") == 2
    assert {**summary(out), "run": None} == {**clean, "run": None}


def test_no_shard_report_or_plan_depends_on_when_and_how_long_it_ran(
    tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        make(tiles, tmp_path / name, small_weights, samples_per_shard=2)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_a_mended_sample_is_made_by_a_retry_which_touches_no_other_shard(
    tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    # In one precision: the ranges of int8 are those of the source, and a mended sample is another source.
    out, one = tmp_path / "out", {"samples_per_shard": 2, "precision": "float32"}
    make(tiles, out, small_weights, **one)
    before, times = digests(out), {file.name: file.stat().st_mtime_ns for file in out.glob("*.tar")}
    (tiles / BAD).write_bytes(encode(tissue(seed=2)))
    made = make(tiles, out, small_weights, **one, retry_failed=True)
    assert made.complete()
    assert made.resumed == 2
    changed = {name for name, digest in digests(out).items() if digest != before[name]}
    assert changed == {"README.md", "plan.json", "cd68-000001.tar", "cd68-000001.idx", "cd68-000001.json"}
    assert {f.name for f in out.glob("*.tar") if f.stat().st_mtime_ns != times[f.name]} == {"cd68-000001.tar"}
    assert summary(out)["run"]["shards_retried"] == 1
    assert verify(out).ok
    make(tiles, tmp_path / "clean", small_weights, **one)
    assert digests(out) == digests(tmp_path / "clean")


def test_a_retry_without_a_cure_gives_the_same_bytes(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    before = digests(out)
    assert not make(tiles, out, small_weights, samples_per_shard=2, retry_failed=True).complete()
    assert digests(out) == before


def test_a_retry_needs_a_dataset(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="holds no dataset"):
        make(tiles, tmp_path / "out", small_weights, retry_failed=True)
    assert not (tmp_path / "out").exists()


def test_quarantined_samples_are_counted_apart_and_get_a_chance_in_other_processes_only(
    tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    plan = read_plan(out)
    assert plan is not None
    job = plan.jobs[1]
    quarantine(out, job, 3, "it kills the worker")
    report_file(out, job.output).unlink()
    make(tiles, out, small_weights, samples_per_shard=2)
    samples = summary(out)["samples"]
    assert balances(samples)
    assert (samples["written"], samples["failed"], samples["quarantined"]) == (4, 1, 1)
    with pytest.raises(SpecError, match="1 quarantined samples killed"):
        make(tiles, out, small_weights, samples_per_shard=2, retry_failed=True)
    retry = choose_retry(out, plan, asked=True, survives=True)
    assert retry.outputs == {job.output}
    assert leave_out(out, [job], retried=retry.outputs) == [job]
    broken = Report(output=job.output, error="no memory")
    assert retry.settle(out, {job.output: broken})[job.output].failures  # what was committed holds
    assert remembered(out, plan.jobs) == {job.output: {3: "it kills the worker"}}
    retry.settle(out, {job.output: Report(output=job.output, samples_in=2, samples_out=2)})
    assert remembered(out, plan.jobs) == {}


@pytest.mark.slow
def test_a_quarantined_sample_that_kills_no_more_comes_through_a_retry(
    tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    before = digests(out)
    plan = read_plan(out)
    assert plan is not None
    quarantine(out, plan.jobs[0], 1, "it kills the worker")
    report_file(out, plan.jobs[0].output).unlink()
    make(tiles, out, small_weights, samples_per_shard=2)
    assert digests(out) != before
    make(tiles, out, small_weights, samples_per_shard=2, retry_failed=True, workers=2)
    assert {name: digest for name, digest in digests(out).items() if name != "quarantine.json"} == before
    assert remembered(out, plan.jobs) == {}
    assert len(read_status(out).record.workers) == 2  # type: ignore[union-attr]


def test_a_shard_that_failed_as_a_whole_is_counted_and_named(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    report_file(out, "cd68-000000").unlink()
    plan = read_plan(out)
    assert plan is not None
    account = take_account(out, plan, {"cd68-000000": "no memory"})
    assert (account.samples_in, account.total("written"), account.total("failed")) == (6, 3, 3)
    assert account.by_reason()["no memory"] == ["cd68-000000"]


def test_a_report_whose_counts_do_not_add_up_is_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    file = report_file(out, "cd68-000000")
    file.write_text(json.dumps({**json.loads(file.read_text()), "samples_out": 1}))
    with pytest.raises(ShardError, match="does not add up"):
        read_status(out)


def test_a_committed_shard_is_withdrawn_only_for_one_that_differs(tmp_path: Path) -> None:
    report = Report(output="cd68-000000", samples_in=1, samples_out=1, sha256="a", size=1)
    write_report(tmp_path, report)
    tar_file(tmp_path, report.output).write_bytes(b"old")
    index_file(tmp_path, report.output).write_bytes(b"old")
    withdraw(tmp_path, report)
    assert report_file(tmp_path, report.output).exists()
    withdraw(tmp_path, Report(output=report.output, samples_in=1, failures=(Failure("k", "bad"),)))
    assert list(tmp_path.glob("*.*")) == [tmp_path / ".augengine"]
    assert not report_file(tmp_path, report.output).exists()


def test_tiles_have_the_same_accounts(tmp_path: Path) -> None:
    slide = write_slide(tmp_path / "s.tif", specimen())
    made = cut(slide, tmp_path / "out", tiles_per_shard=4)
    samples = summary(tmp_path / "out")["samples"]
    assert balances(samples)
    assert samples["out"] == samples["in"] == made.tiles > 0
    assert read_status(tmp_path / "out").standing == "complete"
    before = digests(tmp_path / "out")
    assert cut(slide, tmp_path / "out", tiles_per_shard=4, retry_failed=True).complete()
    assert digests(tmp_path / "out") == before
