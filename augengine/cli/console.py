"""What a person sees of a run: notes, and progress with rate and time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from augengine.progress import WorkerState

_LOG_SECONDS = 15.0
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
