"""What a person sees: notes, progress with rate and time left, and results as text or json."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.box import SIMPLE
from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from augengine.compiling import BuiltPair
from augengine.dataset import Prediction, Summary
from augengine.engines.fidelity import EPS_SHARE
from augengine.probing import Probe
from augengine.probing.report import two
from augengine.progress import WorkerState, counted
from augengine.shards.verify import Verification
from augengine.tiling import TileSummary

_LOG_SECONDS = 15.0
_SHOWN_FAILURES = 20
_MIN_ROWS, _MAX_ROWS = 2, 16
"""One worker is the whole run; more rows than these push all else off a terminal."""


class _LastingConsole(RichConsole):
    """Goes quiet, instead of ending the process, when nobody reads standard error any more."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Console:
    """Shows a run on standard error: a bar on a terminal, plain lines elsewhere.

    Args:
        quiet: Say nothing but warnings.
        doing: What the bar is called.
    """

    def __init__(self, *, quiet: bool = False, doing: str = "augmenting") -> None:
        self._rich = _LastingConsole(stderr=True, highlight=False)
        self._quiet, self._doing = quiet, doing
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._total = 0
        self._already = 0
        self._began = self._logged = time.monotonic()
        self._crew: Sequence[WorkerState] = ()
        self._rows: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._say_crew()

    def note(self, text: str) -> None:
        """One line about what happens."""
        if not self._quiet:
            self._rich.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """One line that matters even in a quiet run."""
        self._rich.print(f"warning: {text}", markup=False, soft_wrap=True, style="yellow")

    def begin(self, total: int, already: int) -> None:
        """A run of ``total`` samples starts, of which ``already`` were done before."""
        self._total, self._already = total, already
        self._began = self._logged = time.monotonic()
        if self._quiet or not self._rich.is_terminal:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=self._rich)
        self._task = self._progress.add_task(self._doing, total=total, completed=already, rate="")
        self._progress.start()

    def advance(self, samples: int) -> None:
        """``samples`` were finished since `begin`."""
        rate = samples / max(time.monotonic() - self._began, 1e-3)
        if self._progress is not None and self._task is not None:
            done = min(self._already + samples, self._total)
            self._progress.update(self._task, completed=done, rate=f"{rate:.1f} samples/s")
        elif not self._quiet and time.monotonic() - self._logged > _LOG_SECONDS:
            self._logged = time.monotonic()
            done = min(self._already + samples, self._total)
            left = f"{(self._total - done) / rate / 60:.1f} min" if samples else "unknown time"
            self.note(f"{done}/{self._total} samples, {rate:.1f}/s, {left} left")
            self._say_crew()

    def _say_crew(self) -> None:
        for worker in self._crew if len(self._crew) >= _MIN_ROWS else ():
            self.note(f"  {worker.sentence()}")

    def crew(self, workers: Sequence[WorkerState]) -> None:
        """How each worker is doing: a row each below the bar, or a line each with the next log line."""
        self._crew = workers
        if self._progress is None or len(workers) < _MIN_ROWS:
            return
        for worker in workers[:_MAX_ROWS]:
            if worker.place not in self._rows:
                self._rows[worker.place] = self._progress.add_task("", total=self._total, rate="")
            said = f"{worker.rate:.1f} samples/s" + (f", {worker.failures} failures" if worker.failures else "")
            said += f", {worker.bad_samples} bad" if worker.bad_samples else ""
            name = f"  worker {worker.place} " + (f"on {worker.host}" if worker.ready else "(starting)")
            row = self._rows[worker.place]
            self._progress.update(row, description=name, completed=worker.samples, rate=said)


def print_json(value: Any) -> None:
    """A json value on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def _out() -> RichConsole:
    return RichConsole(highlight=False, soft_wrap=True)


def print_budgets(pairs: Sequence[BuiltPair], *, as_json: bool) -> None:
    """The table of `build-engines`: what each precision costs, as noise."""
    if as_json:
        print_json([pair.to_json() for pair in pairs])
        return
    table = Table(title="engines and their noise budget", box=SIMPLE, collapse_padding=True)
    # Two lines a heading, so that a row fits in 80 columns.
    headings = ("error\nof A'", "of the\nchain", "equals\nsigma", "good for\neps from", "tiles")
    for name in ("stain", "size", "precision", *headings):
        table.add_column(name, justify="left" if name in ("stain", "precision") else "right", no_wrap=True)
    for pair in pairs:
        table.add_row(*_budget_row(pair))
    console = _out()
    console.print(table)
    drawn = any(pair.budget is not None and pair.budget.surrogate for pair in pairs)
    legend = "; (s): on drawn tiles, which the pair does not know" if drawn else ""
    console.print(f"errors: root mean square in [-1, 1] against float32{legend}")


def _budget_row(pair: BuiltPair) -> tuple[str, ...]:
    size, budget = f"{pair.width} x {pair.height}", pair.budget
    if budget is None:
        exact = pair.precision == "float32"
        found = ("0", "0", "0", "any") if exact else ("not measured", "not measured", "unknown", "on request")
        return pair.weights.name, size, pair.precision, *found, "-"
    return (
        pair.weights.name,
        size,
        pair.precision,
        f"{budget.error_a:.1e}",
        f"{budget.error_chain:.1e}",
        f"{budget.equivalent_sigma:.1e}",
        f"{budget.equivalent_sigma / EPS_SHARE:.2g}",
        f"{budget.tiles}{' (s)' if budget.surrogate else ''}",
    )


def print_prediction(prediction: Prediction, *, as_json: bool) -> None:
    """What a run would make."""
    if as_json:
        print_json(prediction.to_json())
    else:
        _out().print(prediction.sentence(), markup=False)


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """What a run made, and each failure with its reason."""
    if as_json:
        print_json(summary.to_json())
        return
    for sentence in filter(None, (summary.sentence(), summary.outcome.left_out_line())):
        _out().print(sentence, markup=False)
    _print_some(summary.failure_lines(), f"{summary.folder}/.augengine/*.json")
    _print_some([f"note: {line}" for line in summary.outcome.notes], f"{summary.folder}/.augengine/summary.md")


def print_tile_summary(summary: TileSummary, *, as_json: bool) -> None:
    """What became of some slides: failures first, then what could not be done as asked."""
    if as_json:
        print_json(summary.to_json())
        return
    for sentence in filter(None, (summary.sentence(), summary.objects_sentence())):
        _out().print(sentence, markup=False)
    _print_some(summary.failure_lines(), f"{summary.folder}/.augengine/")
    _print_some([f"note: {line}" for line in summary.outcome.notes], f"{summary.folder}/.augengine/slides/*.json")


def _print_some(lines: Sequence[str], where: str) -> None:
    console = _out()
    for line in lines[:_SHOWN_FAILURES]:
        console.print(f"  {line}", markup=False)
    if (more := len(lines) - _SHOWN_FAILURES) > 0:
        console.print(f"  and {more} more, in {where}", markup=False)


def print_verification(verification: Verification, *, as_json: bool) -> None:
    """What `verify` found."""
    if as_json:
        print_json(
            {"ok": verification.ok, "shards": verification.shards, "samples": verification.samples}
            | {"problems": list(verification.problems), "notes": list(verification.notes)}
        )
        return
    console = _out()
    for line in (*verification.problems, *(f"note: {note}" for note in verification.notes)):
        console.print(line, markup=False)
    if verification.failures:
        console.print(f"{counted(verification.failures, 'source sample')} dropped, see .augengine/*.json", markup=False)
    verdict = "sound" if verification.ok else counted(len(verification.problems), "problem")
    seen = f"{counted(verification.shards, 'shard')}, {counted(verification.samples, 'sample')}"
    console.print(f"{seen}: {verdict}", markup=False)


def print_probe(found: Probe, out: Path, *, as_json: bool) -> None:
    """The table of `probe`, one row per sigma, and what follows from it."""
    if as_json:
        print_json(found.to_json())
        return
    tissue = found.tissue
    title = f"{tissue.stain} by way of {tissue.reference}, {counted(len(tissue.keys), 'tile')}"
    table = Table(title=title + (" of the sample set" if tissue.surrogate else ""), box=SIMPLE, collapse_padding=True)
    headings = ("sigma", "response", "two draws\nagree", "Dice with\nsource", "marker\narea", "structure\nleft")
    for name in (*headings, "markers kept,\nlost, new"):
        table.add_column(name, justify="right", no_wrap=True)
    for point, kept in zip(found.points, found.kept(), strict=True):
        noise = point.noise
        cells = (two(noise.agreement), two(noise.faithful), f"{noise.area:.2%}", f"{kept.structure:.2f}")
        objects = f"{point.objects.kept}, {point.objects.lost}, {point.objects.new}"
        table.add_row(f"{noise.sigma:g}", f"{noise.response:.4f}", *cells, objects)
    console = _out()
    console.print(table)
    for line in (*found.lines(), *(f"left out: {each.key}: {each.reason}" for each in tissue.left_out)):
        console.print(line, markup=False)
    console.print(f"{out}/probe.json and its plots", markup=False)
