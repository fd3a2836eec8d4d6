"""Experiments made of cells: each is run once, its result is a line of JSON, and a killed run goes on after it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.errors import TargetError

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
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            whole = "".join(json.dumps(each) + "\n" for each in [*self.read(), result])
            draft = self.file.with_name(f".{self.file.name}.part")
            with draft.open("w", encoding="utf-8") as stream:
                stream.write(whole)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self.file)
        except OSError as error:
            raise TargetError(f"cannot write {self.file}: {error.strerror}", hint="free some space") from error


def run_cells(
    cells: Iterable[Cell], log: CellLog, run: Callable[[Cell], Mapping[str, Any]], note: Callable[[str], None]
) -> list[Result]:
    """Run what has no result yet, one after the other; the results of all, in the cells' order.

    Args:
        cells: What there is to run.
        log: Where results are.
        run: Runs one and returns what it measured.
        note: Told of each in a line.

    Raises:
        TargetError: A result cannot be written.
    """
    results: list[Result] = []
    wanted = list(cells)
    for number, cell in enumerate(wanted, start=1):
        result = log.find(cell)
        if result is None:
            note(f"{number}/{len(wanted)}: {', '.join(f'{name} {value}' for name, value in cell.items())}")
            result = {**cell, **run(cell)}
            log.add(result)
        results.append(result)
    return results
