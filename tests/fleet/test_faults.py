"""Whatever breaks: every job is reported once, every sample is in it, good or named, and the innocent go through."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augengine.errors import SpecError, WorkerError
from augengine.fleet.rules import Rules, Watchdog
from augengine.fleet.search import Blameless, Found, Search
from augengine.fleet.watchdog import Pace
from tests.support.simulated_fleet import Faults, Fleet, jobs_of

COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=12)


@st.composite
def poisoned(draw: st.DrawFn) -> tuple[list[int], Faults]:
    """Jobs and what is wrong with some of their samples, workers killed by chance besides."""
    counts = draw(COUNTS)
    poison: dict[str, frozenset[int]] = {}
    for job in jobs_of(counts):
        if draw(st.integers(0, 3)) == 0:
            ordinals = st.integers(job.first, job.first + job.count - 1)
            poison[job.output] = draw(st.frozensets(ordinals, max_size=3))
    return counts, Faults(poison=poison, kills=draw(st.integers(0, 2)))


@settings(max_examples=150, deadline=None)
@given(poisoned(), st.integers(1, 4), st.integers(0, 2**32))
def test_samples_that_kill_workers_are_named_and_no_other_is(
    case: tuple[list[int], Faults], workers: int, seed: int
) -> None:
    counts, faults = case
    jobs = jobs_of(counts)
    fleet = Fleet(jobs, workers, faults, seed)
    reports = fleet.run()
    assert sorted(report.output for report in reports) == [job.output for job in jobs]
    assert not [report for report in reports if report.error]
    named = {report.output: frozenset(int(bad.key) for bad in report.failures) for report in reports}
    assert named == {job.output: faults.poison.get(job.output, frozenset()) for job in jobs}
    assert sorted(fleet.quarantined) == sorted((output, o) for output, found in named.items() for o in found)


@settings(max_examples=150, deadline=None)
@given(COUNTS, st.integers(1, 4), st.frozensets(st.integers(0, 11), max_size=6), st.data())
def test_a_worker_that_fails_everything_spoils_no_job(
    counts: list[int], workers: int, broken: frozenset[int], data: st.DataObject
) -> None:
    jobs = jobs_of(counts)
    bad_places = data.draw(st.frozensets(st.integers(0, workers - 1), max_size=min(2, workers - 1)))
    faults = Faults(
        broken_jobs=frozenset(job.output for job in jobs if job.index in broken),
        broken_places=bad_places,
        kills=data.draw(st.integers(0, 2)),
    )
    reports = Fleet(jobs, workers, faults, data.draw(st.integers(0, 2**32))).run()
    assert sorted(report.output for report in reports) == [job.output for job in jobs]
    assert {report.output for report in reports if report.error} == faults.broken_jobs


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_if_all_workers_fail_alike_the_jobs_are_reported(workers: int) -> None:
    jobs = jobs_of([2] * 20)
    reports = Fleet(jobs, workers, Faults(broken_places=frozenset(range(workers))), 0).run()
    assert [report.error for report in reports] == ["broken"] * 20


def test_a_bad_worker_is_sent_away_before_it_has_had_most_jobs() -> None:
    fleet = Fleet(jobs_of([1] * 200), 3, Faults(broken_places=frozenset({1})), 0)
    assert not any(report.error for report in fleet.run())
    assert sum(place == 1 for place, _ in fleet.given) < 20
    assert 1 not in fleet.held  # replaced once, then left out


def test_a_place_where_every_worker_dies_is_left_out() -> None:
    fleet = Fleet(jobs_of([1] * 100), 3, Faults(deadly_places=frozenset({2})), 0)
    assert not any(report.error for report in fleet.run())
    assert fleet.quarantined == []
    assert 2 not in fleet.held
    assert fleet.deaths <= 2 * Rules().deaths_of_place


@pytest.mark.parametrize("workers", [1, 3])
def test_if_every_worker_dies_the_run_ends(workers: int) -> None:
    with pytest.raises(WorkerError, match="die one after the other"):
        Fleet(jobs_of([5] * 50), workers, Faults(deadly_places=frozenset(range(workers))), 0).run()


def test_the_job_beside_a_deadly_one_is_not_charged() -> None:
    """It is tried as often as it takes, though the limit is one try."""
    jobs = jobs_of([1, 4])
    faults = Faults(poison={jobs[0].output: frozenset({0})})
    for seed in range(20):
        reports = Fleet(jobs, 1, faults, seed, Rules(tries=1)).run()
        assert {report.output: report.samples_out for report in reports} == {"cd68-000000": 0, "cd68-000001": 4}


def test_a_shard_of_too_many_deadly_samples_fails_and_says_so() -> None:
    jobs = jobs_of([30, 3])
    faults = Faults(poison={jobs[0].output: frozenset(range(30))})
    reports = {report.output: report.error for report in Fleet(jobs, 2, faults, 0).run()}
    assert "more than 10 of its samples kill the worker" in reports[jobs[0].output]
    assert reports[jobs[1].output] == ""


# The search, by itself.


def _search(count: int, deadly: set[int], confirmations: int = 2) -> tuple[Found | Blameless, int]:
    """Its verdict and how many workers died for it."""
    search = Search(replace(jobs_of([3, count])[1]), confirmations)
    deaths = 0
    while True:
        tried = {o for o in range(3, 3 + count) if o not in search.trial.excluded}
        dies = bool(tried & deadly)
        deaths += dies
        if verdict := search.died() if dies else search.survived():
            return verdict, deaths


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_a_search_finds_the_first_deadly_sample_in_few_deaths(count: int, data: st.DataObject) -> None:
    deadly = data.draw(st.sets(st.integers(3, 2 + count), min_size=1, max_size=5))
    verdict, deaths = _search(count, deadly)
    assert verdict == Found(min(deadly))
    assert deaths <= count.bit_length() + 3


def test_a_search_blames_nobody_if_samples_kill_only_together() -> None:
    search = Search(jobs_of([4])[0], confirmations=2)
    verdict = None
    while verdict is None:
        tried = [o for o in range(4) if o not in search.trial.excluded]
        verdict = search.died() if len(tried) == 4 else search.survived()
    assert isinstance(verdict, Blameless)


def test_a_worker_that_dies_without_samples_dies_of_something_else() -> None:
    search = Search(jobs_of([4])[0], confirmations=2)
    assert len(search.trial.excluded) == 4
    assert isinstance(search.died(), Blameless)


# The watchdog.

RULE = Watchdog(floor_seconds=10, multiple=5, first_seconds=100)


def _run_at(pace: Pace, place: int, step_seconds: float, samples: int, start: float = 0.0) -> float:
    """A worker that finishes a sample every so many seconds; the time at the last."""
    pace.begin(place, start)
    pace.give(place, start)
    for i in range(1, samples + 1):
        pace.hear(place, i, start + i * step_seconds)
    return start + samples * step_seconds


def _hangs_at(pace: Pace, after: float) -> float:
    """When the watchdog first bites, to a second."""
    now = after
    while not pace.hanging(now):
        now += 1.0
    return now - after


@pytest.mark.parametrize(("step_seconds", "allowed"), [(0.01, 10), (1.0, 10), (4.0, 20), (60.0, 300)])
def test_a_slow_machine_has_as_much_more_time_as_it_is_slower(step_seconds: float, allowed: float) -> None:
    pace = Pace(RULE)
    end = _run_at(pace, 0, step_seconds, samples=5)
    assert _hangs_at(pace, end) == pytest.approx(allowed, abs=1.01)


def test_before_any_sample_the_watchdog_waits_for_the_engines() -> None:
    pace = Pace(RULE)
    _run_at(pace, 0, 1.0, samples=0)
    assert _hangs_at(pace, 0.0) == pytest.approx(100, abs=1.01)


def test_a_new_worker_is_measured_by_how_long_others_took_to_start() -> None:
    pace = Pace(RULE)
    pace.begin(0, 0.0)
    pace.give(0, 0.0)
    pace.hear(0, 1, 8.0)
    pace.finish(0, 8.0, is_busy=False)
    _run_at(pace, 1, 1.0, samples=0, start=8.0)
    assert _hangs_at(pace, 8.0) == pytest.approx(40, abs=1.01)


def test_a_worker_without_jobs_does_not_hang() -> None:
    pace = Pace(RULE)
    pace.finish(0, _run_at(pace, 0, 1.0, samples=3), is_busy=False)
    assert not any(pace.hanging(float(now)) for now in range(3, 5000))


def test_a_driver_that_was_stopped_blames_nobody() -> None:
    pace = Pace(RULE)
    end = _run_at(pace, 0, 1.0, samples=3)
    assert pace.hanging(end) == []
    assert pace.hanging(end + 3600) == []
    assert _hangs_at(pace, end + 3600) <= 11


@pytest.mark.parametrize("change", [{"floor_seconds": 0}, {"multiple": -1.0}])
def test_a_watchdog_of_no_patience_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(SpecError, match="must be positive"):
        Watchdog(**change)


def test_rules_without_a_try_are_refused() -> None:
    with pytest.raises(SpecError, match="tries must be at least 1"):
        Rules(tries=0)
    with pytest.raises(SpecError, match="replacements must be at least 0, got -1"):
        Rules(replacements=-1)
    assert Rules(replacements=0).replacements == 0
