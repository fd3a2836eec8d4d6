"""Real processes that really die: by signals, by hanging, by failing. Ray, chains and engines are the real ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from augengine.dataset import augment
from augengine.dataset.crew import worker_spec
from augengine.dataset.engines import find_engines
from augengine.dataset.planning import make_plan
from augengine.dataset.resolve import resolve_pair
from augengine.errors import ShardError
from augengine.fleet import MAY_CRASH, Rules, Watchdog, run_ray
from augengine.jobs import Job, Report
from augengine.runs import check_plan, leave_out, open_target, quarantine
from augengine.shards.layout import quarantine_file
from augengine.shards.verify import verify
from augengine.storage import AnyPath
from tests.support.datasets import Listener, leftovers, make, members, request
from tests.support.deadly_worker import start
from tests.support.pictures import write_folder

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

OPTIONS = {"samples_per_shard": 4, "variants": 1}
NAMES = [f"tile_{i:02d}" for i in range(16)]
BAD = "tile_05"  # the second sample of the second shard
OUTPUT = "cd68-000001"
QUICK = Rules(tries=1, confirmations=1)
IMPATIENT = replace(QUICK, watchdog=Watchdog(floor_seconds=4, multiple=4, first_seconds=15))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("tiles"), NAMES, masks=True, height=64, width=64)


def _run(
    tiles: Path, out: Path, weights: Path, *, workers: int, rules: Rules = QUICK, bad: dict[int, str] | None = None
) -> dict[str, Report]:
    """Run `augment` with the deadly worker and `OPTIONS`, as `run_deadly` does."""
    return run_deadly(tiles, out, weights, workers=workers, rules=rules, bad=bad, **OPTIONS)


def run_deadly(
    tiles: Path,
    out: AnyPath,
    weights: Path,
    *,
    workers: int,
    rules: Rules = QUICK,
    bad: dict[int, str] | None = None,
    **options: Any,
) -> dict[str, Report]:
    """Run what `augment` does, with the deadly worker, and return the reports by the shards' names.

    ``bad`` holds the ordinals in the second shard that are listed as bad, with the reason.
    """
    listener = Listener()
    run = resolve_pair(request(tiles, out, weights, **options), listener)
    with open_target(out):
        store, engines = find_engines(run, None, listener)
        plan = make_plan(run, engines)
        check_plan(out, plan)
        jobs = [_listed(job, bad or {}) for job in leave_out(out, plan.jobs)]
        worker = worker_spec(run, engines, store, threads=1)
        found = partial(quarantine, out)
        return {
            report.output: report
            for report in run_ray(jobs, worker, start, workers=workers, on_quarantine=found, rules=rules)
        }


def _listed(job: Job, bad: dict[int, str]) -> Job:
    return replace(job, excluded=bad) if job.output == OUTPUT else job


def _files(out: Path) -> dict[str, bytes]:
    """Shards, indices and reports; not what is remembered of the way to them."""
    found = [*out.glob("cd68-*"), *(out / ".augengine").glob("cd68-*.json")]
    return {file.name: file.read_bytes() for file in found if file.is_file()}


@pytest.mark.parametrize(
    ("fault", "said", "workers", "rules"),
    [
        ("TEST_KILL", "it kills the worker: the process dies of it", 2, QUICK),
        pytest.param("TEST_ABORT", "it kills the worker: the process dies of it", 1, QUICK, marks=pytest.mark.slow),
        pytest.param(
            "TEST_HANG",
            "it kills the worker: no progress, until the watchdog ended it",
            2,
            IMPATIENT,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_deadly_sample_is_quarantined_and_its_neighbours_go_through(
    fault: str,
    said: str,
    workers: int,
    rules: Rules,
    tiles: Path,
    small_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, listed = tmp_path / "out", tmp_path / "listed"
    monkeypatch.setenv(fault, BAD)
    reports = _run(tiles, out, small_weights, workers=workers, rules=rules)
    assert not [report for report in reports.values() if report.error]
    assert [(bad.key, bad.reason) for report in reports.values() for bad in report.failures] == [(BAD, said)]
    assert verify(out).ok
    assert leftovers(out) == []
    monkeypatch.delenv(fault)
    _run(tiles, listed, small_weights, workers=1, bad={5: said})
    assert _files(out) == _files(listed)
    _check_a_resume_remembers(tiles, out, small_weights, said)


def _check_a_resume_remembers(tiles: Path, out: Path, weights: Path, said: str) -> None:
    """Even the shard is made again without the sample: by one worker in this process, as the quarantine says."""
    before = _files(out)
    (out / ".augengine" / f"{OUTPUT}.json").unlink()
    summary = make(tiles, out, weights, **OPTIONS)
    assert summary.failure_lines() == [f"{BAD}: {said}"]
    assert _files(out) == before


def test_a_worker_that_fails_all_its_jobs_spoils_none(
    tiles: Path, small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_BAD_ONCE", str(tmp_path / "taken"))
    rules = replace(QUICK, tries=2, failures_in_row=1)
    reports = _run(tiles, tmp_path / "out", small_weights, workers=2, rules=rules)
    assert (tmp_path / "taken").exists()
    assert not [report for report in reports.values() if report.error]
    assert len(members(tmp_path / "out")) == 3 * len(NAMES)


def test_a_damaged_quarantine_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / ".augengine").mkdir()
    quarantine_file(tmp_path).write_text(json.dumps({OUTPUT: {"x": 1}}))
    with pytest.raises(ShardError, match=r"a name in .*: expected int, got str"):
        leave_out(tmp_path, [])


def test_after_a_crash_a_run_in_this_process_says_what_survives_one(
    tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    dead = subprocess.run([sys.executable, "-c", _LEAVE_A_LOCK, str(out)], check=False)
    assert dead.returncode == -signal.SIGSEGV
    listener = Listener()
    assert augment(request(tiles, out, small_weights, limit=1), listener).complete()
    assert listener.warnings == [MAY_CRASH]


_LEAVE_A_LOCK = """
import os, signal, sys
from pathlib import Path
from augengine.runs import open_target
with open_target(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGSEGV)
"""
