"""Experiments made of cells: each is run once, its result is a line of JSON, and a killed run goes on after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from augengine.errors import TargetError
from augengine.storage.atomic import write_whole

Cell = Mapping[str, Any]
"""What a cell is: plain json values that name it."""

Result = dict[str, Any]
"""The cell's own values and what was measured."""


@dataclass(frozen=True, slots=True)
class CellLog:
    """The results of an experiment in a file, a line each."""

    file: Path

    def read(self) -> list[Result]:
        """All results so far; a last line that was cut short does not count.

        Raises:
            TargetError: The file cannot be read.
        """
        try:
            lines = self.file.read_text(encoding="utf-8").splitlines(keepends=True) if self.file.exists() else []
            return [json.loads(line) for line in lines if line.endswith("\n")]
        except (OSError, ValueError) as error:
            raise TargetError(f"{self.file} cannot be read: {error}", hint="delete its damaged line") from error

    def find(self, cell: Cell) -> Result | None:
        """The result of a cell, or None if it was not run."""
        return next((each for each in self.read() if all(each.get(name) == cell[name] for name in cell)), None)

    def add(self, result: Result) -> None:
        """Append a result, on the disk before this returns.

        Raises:
            TargetError: It cannot be written.
        """
        lines = (json.dumps(each) + "\n" for each in [*self.read(), result])
        write_whole(self.file, "".join(lines), hint="free some space")


def run_cells(
    cells: Iterable[Cell],
    log: CellLog,
    run: Callable[[Cell], Mapping[str, Any]],
    note: Callable[[str], None],
    *,
    workers: int = 1,
) -> list[Result]:
    """Run what has no result yet; the results of all, in the cells' order.

    Args:
        cells: What there is to run.
        log: Where results are.
        run: Runs one and returns what it measured; with several workers it is sent to other processes.
        note: Told of each in a line.
        workers: How many at a time, a process each; 1 runs one after the other in this one.

    Raises:
        TargetError: A result cannot be written.
    """
    wanted = list(cells)
    left = [cell for cell in wanted if log.find(cell) is None]
    note(f"{len(wanted) - len(left)} of {len(wanted)} cells were run before")
    for done, (cell, measured) in enumerate(_run(left, run, workers), start=1):
        log.add({**cell, **measured})
        note(f"{done}/{len(left)}: {', '.join(f'{name} {value}' for name, value in cell.items())}")
    return [result for cell in wanted if (result := log.find(cell)) is not None]


def _run(
    cells: Sequence[Cell], run: Callable[[Cell], Mapping[str, Any]], workers: int
) -> Iterator[tuple[Cell, Mapping[str, Any]]]:
    if workers == 1:
        yield from ((cell, run(cell)) for cell in cells)
        return
    # Spawned: a fork of a process whose libraries have threads may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(run, cell): cell for cell in cells}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)
