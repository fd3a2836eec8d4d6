"""What a run left, written beside the plan: ``summary.json`` for programs, ``summary.md`` for people."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from augengine.jobs import Report
from augengine.progress import counted
from augengine.runs.account import ShardAccount, take_account
from augengine.runs.outcome import Outcome
from augengine.runs.plan import Plan
from augengine.shards.layout import spool_folder, summary_file, summary_text_file
from augengine.shards.records import write_file, write_json
from augengine.storage import AnyPath

SUMMARY_VERSION = 1
_NAMES_SHOWN = 5
_REASONS_SHOWN = 20
_SIGNS = re.compile(r"([\\`*\[\]|])")


def write_summary(
    folder: AnyPath,
    plan: Plan,
    reports: tuple[Report, ...],
    *,
    errors: Mapping[str, str],
    resumed: int,
    retried: int,
    seconds: float,
    about: Mapping[str, Any],
    notes: tuple[str, ...] = (),
) -> Outcome:
    """Take the account of a dataset at the end of a run and write it down.

    Args:
        folder: The dataset, locked by us.
        plan: Its plan.
        reports: One report per job, in the plan's order.
        errors: Why shards failed in this run: output -> reason.
        resumed: Shards that were committed before it.
        retried: Shards with failures that were tried again.
        seconds: How long it took.
        about: What else is said, see `summary_json`.
        notes: What a user should know of the source, a sentence each.

    Raises:
        ShardError: A report's counts do not add up.
        TargetError: It cannot be written.
    """
    account = take_account(folder, plan, errors)
    outcome = Outcome(
        folder=folder,
        account=account,
        reports=reports,
        resumed=resumed,
        retried=retried,
        seconds=seconds,
        notes=notes,
    )
    value = summary_json(outcome, plan, errors, about)
    write_json(summary_file(folder), value, spool_folder(folder))
    text = "\n".join(_lines(value)) + "\n"
    write_file(summary_text_file(folder), text.encode(), spool_folder(folder))
    return outcome


def summary_json(outcome: Outcome, plan: Plan, errors: Mapping[str, str], about: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome as plain json values, and what a program needs besides to check a dataset.

    A retry that failed as a whole left the shard as it was: it is done, and named under ``retries_failed``. ``about``
    may hold ``failed_slides`` (key -> reason) and ``classes`` (name -> objects, slides and id).
    """
    account = outcome.account
    done = {shard.output for shard in account.shards if shard.state == "done"}
    own = {name: value for name, value in outcome.to_json().items() if name != "folder"}
    return {
        "version": SUMMARY_VERSION,
        "kind": plan.kind,
        "plan": plan.digest,
        **own,
        **about,
        "complete": outcome.complete() and not about.get("failed_slides"),
        "retries_failed": {output: reason for output, reason in errors.items() if output in done},
        "by_reason": {reason: len(names) for reason, names in account.by_reason().items()},
        "digests": {shard.output: _digest(shard) for shard in account.shards if shard.state == "done"},
    }


def _digest(shard: ShardAccount) -> dict[str, Any]:
    return {"sha256": shard.sha256, "bytes": shard.size, "samples": shard.samples_out}


def _lines(value: Mapping[str, Any]) -> Iterator[str]:
    samples, shards, run = value["samples"], value["shards"], value["run"]
    yield "# What this dataset holds\n"
    columns = ["written", "failed", "quarantined", *(name for name in ("emptied", "left") if samples[name])]
    yield "| source samples | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|"
    yield "| " + " | ".join(str(samples[name]) for name in ("in", *columns)) + " |\n"
    yield f"{counted(samples['out'], 'sample')} in {counted(shards['done'], 'shard')}, {value['bytes']:,} bytes. "
    yield f"The last run took {run['seconds']:.1f} s. Made before it: {counted(run['shards_resumed'], 'shard')}."
    if failed := value.get("failed_slides"):
        yield "\n## Slides that were not tiled\n\n| slide | reason |\n|---|---|"
        yield from (f"| {cell(key)} | {cell(reason)} |" for key, reason in list(failed.items())[:_REASONS_SHOWN])
    if value["failed_shards"] or value["failures"]:
        yield "\n## Failures\n\n| number | reason | for example |\n|---|---|---|"
        yield from _reasons(value)
        yield "\nAll of them: `summary.json`. `--retry-failed` beside the same command tries them again."
    yield from _left_out(value)
    yield from _classes(value)
    if verdict := value.get("verdict"):
        sure = "" if verdict["sure"] else ", not surely"
        yield f"\n## The pair on this source\n\n{cell(verdict['word'])}{sure}: {cell(verdict['reason'])}."
    if value["notes"]:
        yield "\n## Notes\n"
        yield from (f"- {cell(note)}" for note in value["notes"])
    yield "\nThe sha256 of every shard is in `summary.json`; `augengine verify` compares."


def _left_out(value: Mapping[str, Any]) -> Iterator[str]:
    """What the gate left out, the least like their sources first."""
    if found := value["left_out"]:
        yield "\n## Left out by the gate\n\n| variant | counterstain's SSIM |\n|---|---|"
        worst = sorted(found.items(), key=lambda item: item[1])[:_REASONS_SHOWN]
        yield from (f"| {cell(key)} | {ssim:g} |" for key, ssim in worst)
        yield f"\n{counted(len(found), 'variant')} in all, each named in `summary.json`."
        if emptied := value["samples"]["emptied"]:
            yield f"Nothing is left of {counted(emptied, 'source sample')}."


def _classes(value: Mapping[str, Any]) -> Iterator[str]:
    if value.get("classes"):
        yield "\n## Annotated objects\n\n| class | id | objects | slides | mask pixels of the id |"
        yield "|---|---|---|---|---|"
    for name, count in value.get("classes", {}).items():
        pixels = value["class_pixels"].get(str(count["id"]), 0) if count["id"] else "cut out"
        yield f"| {cell(name)} | {count['id']} | {count['objects']} | {count['slides']} | {pixels} |"
    if others := value.get("classes_not_asked_for"):
        named = ", ".join(f"{number} {cell(name)}" for name, number in list(others.items())[:_REASONS_SHOWN])
        yield f"\nNot asked for: {named}."


def _reasons(value: Mapping[str, Any]) -> Iterator[str]:
    named = [(each["reason"], each["key"]) for each in value["failures"]]
    named += [(reason, output) for output, reason in value["failed_shards"].items()]
    for reason, number in list(value["by_reason"].items())[:_REASONS_SHOWN]:
        names = [name for why, name in named if why == reason][:_NAMES_SHOWN]
        yield f"| {number} | {cell(reason)} | {cell(', '.join(names))} |"


def cell(text: str) -> str:
    """A text of anybody's for a cell of a table: no Markdown or HTML in it is obeyed."""
    return _SIGNS.sub(r"\\\1", " ".join(html.escape(text, quote=False).split()))
