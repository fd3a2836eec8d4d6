"""Two plans compared: what differs, in words, and the refusal that names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from augengine.errors import PlanMismatch
from augengine.jobs import Job
from augengine.progress import counted
from augengine.runs.plan import Plan
from augengine.storage import AnyPath

_NAMED_DIFFERENCES = 3
_MENDED = "--retry-failed if bad samples were mended, else choose another folder for the output"
_ELSEWHERE = "choose another folder for the output, or repeat the first command as it was"


def refuse_differences(folder: AnyPath, before: Plan, now: Plan) -> None:
    """Refuse to go on with a dataset that was begun with another plan.

    Raises:
        PlanMismatch: The first differences are named.
    """
    if found := list(islice(differences(before, now), _NAMED_DIFFERENCES)):
        hint = _MENDED if found == list(_changed_files(before.jobs, now.jobs)) else _ELSEWHERE
        raise PlanMismatch(f"{folder} holds another dataset: {'; '.join(found)}", hint=hint)


def differences(before: Plan, now: Plan) -> Iterator[str]:
    """What differs between two plans, in words, what a user typed first."""
    yield from _changed(before.spec, now.spec)
    yield from _changed_source(before.source, now.source)
    yield from _changed_input(before.jobs, now.jobs)
    yield from (f"the engines' {change}" for change in _changed(before.engines, now.engines))
    if before.encoder != now.encoder:
        yield f"the encoder was {before.encoder}, is now {now.encoder}"


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """``eps was 0.05, is now 0.1`` ..., in nested values too."""
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new)
        elif _plain(old) != _plain(new):
            yield f"{name} was {_shown(old)}, is now {_shown(new)}"


def _changed_source(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What changed of the source; of slides, which are values of their own, with their names."""
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from (f"the {change} for {name}" for change in _changed(old, new))
        elif isinstance(old, Mapping) or isinstance(new, Mapping):
            yield f"{name} was not among the slides" if old is None else f"{name} is no longer among the slides"
        else:
            yield from (f"the source's {change}" for change in _changed({name: old}, {name: new}))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    text = str(_plain(value)) if value != "" else "none"
    return text if len(text) <= 100 else f"{text[:97]}..."


def _changed_input(before: tuple[Job, ...], now: tuple[Job, ...]) -> Iterator[str]:
    had, have = sum(job.count for job in before), sum(job.count for job in now)
    if had != have:
        yield f"the input has {counted(have, 'sample')}, had {had}"
    elif [job.count for job in before] != [job.count for job in now]:
        yield f"the shards hold {now[0].count} source samples each, held {before[0].count}"
    else:
        yield from _changed_files(before, now)


def _changed_files(before: tuple[Job, ...], now: tuple[Job, ...]) -> Iterator[str]:
    changed = [new.output for old, new in zip(before, now, strict=False) if old != new]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        yield f"names or sizes of the input of {changed[0]}{more} changed"
