"""Samples that kill workers: found once, remembered beside the plan, left out by every later run on the folder.

They are no part of the plan, which says what was asked for and must be equal for a run to go on. The shard's report,
too, names each as a failure, but only once the shard is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace
from typing import Any

from augengine.errors import ShardError
from augengine.jobs import Job
from augengine.shards.layout import quarantine_file, spool_folder
from augengine.shards.records import read_json, write_json
from augengine.storage import AnyPath, size_of

_HINT = "delete it: what it named is then looked for again"


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
    of_job = {**known.get(job.output, {}), str(ordinal): {"reason": reason, "digest": job.digest}}
    write_json(quarantine_file(folder), {**known, job.output: of_job}, spool_folder(folder))


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
    left = {ordinal: each for ordinal, each in known.pop(output, {}).items() if int(ordinal) in keep}
    if left:
        known[output] = left
    write_json(quarantine_file(folder), known, spool_folder(folder))


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


def _without(job: Job, known: Mapping[str, Mapping[str, str]]) -> Job:
    found = _of_job(job, known)
    return replace(job, excluded={**found, **job.excluded}) if found else job


def _of_job(job: Job, known: Mapping[str, Mapping[str, str]]) -> dict[int, str]:
    return {int(ordinal): each["reason"] for ordinal, each in known.items() if each["digest"] == job.digest}


def _read(folder: AnyPath) -> dict[str, dict[str, Any]]:
    file = quarantine_file(folder)
    if size_of(file) is None:
        return {}
    known = read_json(file, hint=_HINT)
    if not _is_sound(known):
        raise ShardError(f"{file} has unknown or missing fields", hint=_HINT)
    return dict(known)


def _is_sound(known: Any) -> bool:
    if not isinstance(known, dict) or not all(isinstance(of_job, dict) for of_job in known.values()):
        return False
    samples = [(ordinal, each) for of_job in known.values() for ordinal, each in of_job.items()]
    return all(
        ordinal.isdecimal()
        and isinstance(each, dict)
        and all(isinstance(each.get(k), str) for k in ("reason", "digest"))
        for ordinal, each in samples
    )
