"""Samples that kill workers: found once, remembered beside the plan, left out by every later run on the folder.

They are no part of the plan, which says what was asked for and must be equal for a run to go on. The shard's report,
too, names each as a failure, but only once the shard is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, replace

from augengine.errors import ShardError, SpecError
from augengine.jobs import Job
from augengine.json_values import from_json, to_json
from augengine.shards.layout import quarantine_file, spool_folder
from augengine.shards.records import read_json, write_json
from augengine.storage import AnyPath, size_of

_HINT = "delete it: what it named is then looked for again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A sample that kills workers: why, and the digest of the job in which it did."""

    reason: str
    digest: str


Suspects = Mapping[int, Suspect]
"""Ordinal within the job's source -> what is remembered of it."""

Known = Mapping[str, Suspects]
"""Shard -> its suspects."""


def quarantine(folder: AnyPath, job: Job, ordinal: int, reason: str) -> None:
    """Remember a sample.

    Args:
        folder: The dataset.
        job: Its job.
        ordinal: The sample's ordinal within the job's source.
        reason: Stands in the report.

    Raises:
        ShardError: What is remembered cannot be read.
        TargetError: It cannot be written.
    """
    known = _read(folder)
    of_job = {**known.get(job.output, {}), ordinal: Suspect(reason=reason, digest=job.digest)}
    _write(folder, {**known, job.output: of_job})


def remembered(folder: AnyPath, jobs: Iterable[Job]) -> dict[str, dict[int, str]]:
    """The samples that are remembered of some jobs, where the input is still the same: output -> ordinal -> reason.

    Raises:
        ShardError: What is remembered cannot be read.
    """
    known = _read(folder)
    found = ((job.output, _of_job(job, known.get(job.output, {}))) for job in jobs)
    return {output: samples for output, samples in found if samples}


def forget(folder: AnyPath, output: str, *, keep: Set[int]) -> None:
    """Forget what is remembered of a shard, but for the ordinals in ``keep``.

    Raises:
        ShardError: What is remembered cannot be read.
        TargetError: It cannot be written.
    """
    known = _read(folder)
    left = {ordinal: each for ordinal, each in known.get(output, {}).items() if ordinal in keep}
    others = {name: samples for name, samples in known.items() if name != output}
    _write(folder, {**others, output: left} if left else others)


def leave_out(folder: AnyPath, jobs: Iterable[Job], *, retried: Collection[str] = ()) -> list[Job]:
    """The jobs without the samples that are remembered; what the plan excludes stays excluded.

    Args:
        folder: The dataset.
        jobs: The jobs of its plan.
        retried: Names of shards whose remembered samples get another chance.

    Raises:
        ShardError: What is remembered cannot be read.
    """
    known = _read(folder)
    return [job if job.output in retried else _without(job, known.get(job.output, {})) for job in jobs]


def _without(job: Job, known: Suspects) -> Job:
    found = _of_job(job, known)
    return replace(job, excluded={**found, **job.excluded}) if found else job


def _of_job(job: Job, known: Suspects) -> dict[int, str]:
    return {ordinal: each.reason for ordinal, each in known.items() if each.digest == job.digest}


def _read(folder: AnyPath) -> Known:
    file = quarantine_file(folder)
    if size_of(file) is None:
        return {}
    try:
        return from_json(dict[str, dict[int, Suspect]], read_json(file, hint=_HINT))
    except SpecError as error:
        raise ShardError(f"{file} cannot be used: {error}", hint=_HINT) from error


def _write(folder: AnyPath, known: Known) -> None:
    write_json(quarantine_file(folder), to_json(known), spool_folder(folder))
