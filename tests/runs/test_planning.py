"""How a source is cut into jobs: each sample once, in shards of a sensible size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from augengine.errors import SourceError, SpecError
from augengine.runs import make_jobs
from tests.support.plans import SPEC, folder_listing, tar_listing


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
