"""Experiments made of cells: run once, resumed after a cut line, in their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augengine.errors import TargetError
from augengine_train.experiments.cells import CellLog, run_cells
from tests.support.small_cells import double


@pytest.mark.parametrize("workers", [1, 2])
def test_cells_are_run_once_and_come_in_their_order(tmp_path: Path, workers: int) -> None:
    log, said = CellLog(tmp_path / "cells.jsonl"), list[str]()
    log.add({"x": 1, "double": "from before"})
    results = run_cells([{"x": x} for x in (3, 1, 2)], log, double, said.append, workers=workers)
    assert [result["double"] for result in results] == [6, "from before", 4]
    assert said[0] == "1 of 3 cells were run before"
    assert run_cells([{"x": 2}], log, _fail, said.append) == [{"x": 2, "double": 4}]


def _fail(cell: Any) -> dict[str, int]:
    raise AssertionError(f"{cell} was run before")


def test_a_line_that_was_cut_short_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "cells.jsonl"
    file.write_text('{"x": 1, "double": 2}\n{"x": 2, "dou')
    log = CellLog(file)
    assert log.read() == [{"x": 1, "double": 2}]
    log.add({"x": 3})
    assert log.read() == [{"x": 1, "double": 2}, {"x": 3}]
    file.write_text("{]\n")
    with pytest.raises(TargetError, match="cannot be read"):
        log.read()
