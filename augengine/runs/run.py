"""A plan carried out: what is committed already, what is tried again, the shards that are missing, the account."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from augengine.fleet import MAY_CRASH
from augengine.jobs import Report
from augengine.progress import Watcher
from augengine.runs.card import write_card
from augengine.runs.missing import Crew, make_missing, survives
from augengine.runs.outcome import Outcome
from augengine.runs.plan import Plan, committed
from augengine.runs.recorder import recorded
from augengine.runs.retry import Retry
from augengine.runs.summary import write_summary
from augengine.runs.target_hold import Hold
from augengine.storage import AnyPath


def carry_out(
    folder: AnyPath,
    plan: Plan,
    crew: Crew,
    retry: Retry,
    hold: Hold,
    watcher: Watcher,
    *,
    about: Mapping[str, Any] = MappingProxyType({}),
    notes: tuple[str, ...] = (),
    look: Callable[[Sequence[Report]], Iterable[str]] = lambda _: (),
) -> Outcome:
    """Make the shards of a plan that are not there yet, and write down what became of all of them.

    Args:
        folder: The dataset, held by us; its plan is written already.
        plan: Its plan.
        crew: Who makes shards.
        retry: What is tried again.
        hold: Our hold of the folder.
        watcher: Told how far it is.
        about: What else the summary on disk says, as plain json values; its ``verdict`` and ``failed_slides``
            stand in the record too.
        notes: What a user should know of the source, a sentence each, for the account.
        look: Gives more of them once every shard is made, from one report per job.

    Raises:
        AugengineError: The target cannot be written, or workers cannot be started; finished shards stay.
    """
    done = {name: report for name, report in committed(folder, plan).items() if name not in retry.outputs}
    if hold.was_killed and not survives(crew.workers, crew.address):
        watcher.warn(MAY_CRASH)
    with recorded(folder, watcher, about) as recorder:
        recorder.begin(plan.samples, sum(report.samples_in for report in done.values()))
        began = time.monotonic()
        made = make_missing(folder, plan, done, crew, retry, hold, recorder)
        seconds = time.monotonic() - began
        reports = done | retry.settle(folder, made)
        errors = {output: report.error for output, report in made.items() if report.error}
        ordered = tuple(reports[job.output] for job in plan.jobs)
        whole = all(not report.error for report in ordered)
        outcome = write_summary(
            folder,
            plan,
            ordered,
            errors=errors,
            resumed=len(done),
            retried=len(retry.before),
            seconds=seconds,
            about=about,
            notes=(*notes, *(look(ordered) if whole else ())),
        )
        write_card(outcome, plan, about)
        return outcome
