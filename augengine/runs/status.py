"""How a dataset's run stands, from any machine that sees its files: nothing is asked of the process that makes it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from augengine.errors import ShardError
from augengine.json_values import to_json
from augengine.progress import counted, readable_bytes, readable_seconds
from augengine.runs.account import Account, take_account
from augengine.runs.plan import Plan, read_any_plan
from augengine.runs.record import RunRecord, read_record
from augengine.runs.recorder import RECORD_SECONDS
from augengine.runs.target import Owner, lock_holder
from augengine.storage import AnyPath

SILENT_SECONDS = 12 * RECORD_SECONDS
"""A driver on another machine of which nothing was heard for so long may be gone."""

Standing = Literal["running", "silent", "interrupted", "stopped", "complete", "failures", "unfinished"]

_SAID: dict[Standing, str] = {
    "running": "running",
    "silent": "locked, but nothing was heard of its run for a while: it may be gone, or suspended",
    "interrupted": "interrupted: the same command goes on from there",
    "stopped": "stopped by an error: the same command goes on from there",
    "complete": "complete",
    "failures": "complete, but for failures: the same command tries slides again, and with --retry-failed samples too",
    "unfinished": "not complete: the same command goes on from there",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A dataset at a moment.

    Attributes:
        folder: Where.
        plan: What it is made from.
        account: What became of its samples.
        record: What its run, present or last, said of itself; None of one by an older version.
        holder: Who holds the lock, if anybody.
        now: Seconds since 1970 by our clock.
    """

    folder: AnyPath
    plan: Plan
    account: Account
    record: RunRecord | None
    holder: Owner | None
    now: float

    @property
    def heard_seconds_ago(self) -> float | None:
        """Seconds since the record was written; None without a record.

        Two clocks are compared if the driver is on another machine.
        """
        return None if self.record is None else max(0.0, self.now - self.record.updated)

    @property
    def holder_is(self) -> Literal["alive", "dead", "unknown", ""]:
        """Whether the process that holds the folder's lock is alive; empty if nobody holds it.

        This machine's kernel tells it, or a fresh record.
        """
        if self.holder is None:
            return ""
        if self.holder.is_dead():
            return "dead"
        is_fresh = self.heard_seconds_ago is not None and self.heard_seconds_ago < SILENT_SECONDS
        return "alive" if is_fresh or self.holder.is_here() else "unknown"

    @property
    def standing(self) -> Standing:
        """State of the run: running, silent, interrupted, stopped, complete, failures or unfinished."""
        if self.holder_is in ("alive", "unknown"):
            return "running" if self.holder_is == "alive" else "silent"
        if self.holder_is == "dead" or (self.record and self.record.state in ("running", "interrupted")):
            return "interrupted"
        if self.record and self.record.state == "stopped":
            return "stopped"
        if self.account.in_state("left"):
            return "unfinished"
        bad = self.account.total("failed") + self.account.total("quarantined") + len(self.failed_slides)
        return "failures" if bad else "complete"

    @property
    def failed_slides(self) -> Mapping[str, str]:
        """Slides that the last run could not tile: key -> reason."""
        return {} if self.record is None else self.record.failed_slides

    @property
    def running(self) -> list[str]:
        """The shards in the workers' hands, as last heard."""
        if self.record is None or self.standing not in ("running", "silent"):
            return []
        return sorted({output for worker in self.record.workers for output in worker.holds})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        account, record = self.account, self.record
        return {
            "folder": str(self.folder),
            "kind": self.plan.kind,
            "standing": self.standing,
            **account.to_json(),
            "failed_slides": dict(self.failed_slides),
            "running": self.running,
            "lock": None if self.holder is None else asdict(self.holder) | {"is": self.holder_is},
            "run": None if record is None else to_json(record) | self._pace(record),
        }

    def _pace(self, record: RunRecord) -> dict[str, float | None]:
        return {
            "rate": record.rate,
            "seconds_left": record.seconds_left if self.standing == "running" else None,
            "heard_seconds_ago": self.heard_seconds_ago,
        }

    def lines(self) -> list[str]:
        """The status as lines of text: state, counts, run, lock and failed shards."""
        return [
            f"{self.folder}: {_SAID[self.standing]}",
            *self._counts(),
            *self._run_lines(),
            *self._lock_lines(),
            *self._pair_lines(),
            *(f"slide that was not tiled: {key}: {reason}" for key, reason in self.failed_slides.items()),
            *(f"{shard.state}: {shard.output}: {shard.error}" for shard in self.account.shards if shard.error),
        ]

    def _pair_lines(self) -> list[str]:
        verdict = {} if self.record is None else self.record.verdict
        return [f"pair on this source: {verdict['word']}: {verdict['reason']}"] if verdict else []

    def _lock_lines(self) -> list[str]:
        if self.holder is None:
            return []
        said = {"alive": "alive", "dead": "dead: the next run takes over", "unknown": "not known whether it is alive"}
        return [f"lock: process {self.holder.pid} on {self.holder.name}, {said[self.holder_is]}"]

    def _counts(self) -> list[str]:
        account, running = self.account, len(self.running)
        shards = f"{account.in_state('done')} done, {running} running, {account.in_state('failed')} failed, "
        shards += f"{max(0, account.in_state('left') - running)} left"
        samples = f"{account.total('planned')} in the source, {account.total('written')} written, "
        samples += f"{account.total('failed')} failed, {account.total('quarantined')} quarantined, "
        samples += f"{account.total('emptied')} emptied by the gate, " if account.total("emptied") else ""
        samples += f"{account.total('left')} left"
        out = f"{counted(account.total('samples_out'), 'sample')}, {readable_bytes(account.total('size'))}"
        out += f", {counted(len(account.left_out), 'variant')} left out by the gate" if account.left_out else ""
        return [f"shards: {shards}", f"samples: {samples}", f"output: {out}"]

    def _run_lines(self) -> list[str]:
        record = self.record
        if record is None:
            return []
        heard = f"heard of {self.heard_seconds_ago:.0f} s ago"
        line = f"{record.done} samples in {readable_seconds(record.seconds)}, {record.rate:.3g}/s"
        if not record.done and self.standing != "running":
            line = "nothing was left to do"
        if self.standing == "running":
            left = record.seconds_left
            line += f", {readable_seconds(left)} left, {heard}" if left is not None else f", {heard}"
        lines = [f"run: {line}"] + ([f"stopped by: {record.error}"] if record.error else [])
        return lines + ([f"  {worker.sentence()}" for worker in record.workers] if len(record.workers) > 1 else [])


def read_status(folder: AnyPath) -> Status:
    """How the run on a dataset stands; nothing is written, no lock is taken.

    Raises:
        ShardError: The folder holds no dataset, or its files are damaged.
    """
    plan = read_any_plan(folder)
    if plan is None:
        hint = "name the folder that augment or tile writes; a run that looks at its input has none yet"
        raise ShardError(f"{folder} is no dataset of augengine's: it has no plan", hint=hint)
    holder = lock_holder(folder)
    record = read_record(folder)
    account = take_account(folder, plan, {} if record is None else record.failed)
    return Status(folder=folder, plan=plan, account=account, record=record, holder=holder, now=time.time())
