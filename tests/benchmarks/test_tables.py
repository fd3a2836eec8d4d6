"""The tables of the pages on speed and scaling: what they say, and that the pages show what is committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import scaling
from benchmarks.pages import END, begin
from benchmarks.speed import RESULT
from benchmarks.speed.picture import DOCS, tables
from benchmarks.speed.tables import Target, passes_table, rows_table, targets_table, trained_table


def result(**changes: Any) -> dict[str, Any]:
    """A result of one size, in which the engine misses its target and nothing else does."""
    rates = {"G_BA, bfloat16": (4.0, 0.7), "G_AB, bfloat16, 1 variants": (4.0, 0.95), "whole job, png": (3.0, 0.6)}
    rates |= {"eager loop, float32": (1.0, 0.5), "eager loop, bfloat16, channels_last": (1.5, 0.2)}
    rows: dict[str, Any] = {
        name: {"images_per_second": rate, "quartiles": [rate, rate], "gflop_per_second": 9.0, "share_of_peak": share}
        for name, (rate, share) in rates.items()
    }
    rows["decode PNG"] = {"images_per_second": 700.0, "quartiles": [690.0, 710.0]}
    size = {
        "side": 256,
        "variants": 1,
        "rows": rows,
        "equivalent_sigma": "n/a",
        "whole_job_over_engine": 0.92,
        "whole_job_over_eager_loop": 3.0,
        "command": {"first_shard_started_s": 2.0, "peak_mib": 604.4},
    }
    trained = {"256": {"bfloat16": {"images_per_second": 90.0, "equivalent_sigma": None}}}
    return {"sizes": [size | changes], "trained": trained}


def cells(table: str, start: str) -> list[str]:
    return next(line for line in table.splitlines() if line.startswith(f"| {start}")).split(" | ")


def test_what_is_missed_is_in_bold() -> None:
    table = targets_table(result())
    assert cells(table, "engine over")[2] == "**0.70** 0.95 |"
    assert cells(table, "whole job over the engine")[2] == "0.920 |"
    assert cells(table, "over that loop in bfloat16")[2] == "2.0 |"
    late = targets_table(result(whole_job_over_engine=0.9194, whole_job_over_eager_loop=1.9,
                                command={"first_shard_started_s": 15.1, "peak_mib": 1.0}))  # fmt: skip
    assert [cells(late, start)[2] for start in ("whole job over the engine", "whole job over the eager", "first")] == [
        "**0.919** |",
        "**1.9** |",
        "**15.1** |",
    ]
    assert Target().cell(None, 1) == ""


def test_passes_stand_beside_the_strongest_of_what_a_user_would_write() -> None:
    given = result()
    rates = {"pass, int8": 8.0, "pass, torch.compile, float32, channels_last, frozen": 2.0}
    rates |= {"pass, torch.compile, bfloat16, channels_last, frozen": 1.0}
    rates |= {"torch.compile, float32, K = 1": 1.5, "torch.compile, float32, channels_last, frozen, K = 1": 1.2}
    given["sizes"][0]["rows"] |= {name: {"images_per_second": rate} for name, rate in rates.items()}
    table = passes_table(given)
    assert cells(table, "256 px | G_BA, bfloat16")[2:] == ["4.0", "2.00 |"]
    assert cells(table, "256 px | int8")[2:] == ["8.0", "4.00 |"]
    assert [line.split(" | ")[3] for line in table.splitlines() if "torch.compile, " in line] == ["1.00 |", "0.50 |"]
    assert len(table.splitlines()) == 2 + 4
    for name, times in (("whole job", "2.00 |"), ("pass", "2.00 |"), ("pass, int8", "4.00 |")):
        assert cells(targets_table(given), f"{name} over the fastest of torch.compile")[2] == times
    assert cells(targets_table(given), "pass, int8 over the engine's own")[2] == "2.00 |"
    assert "int8" not in targets_table(result())
    assert passes_table(result()).endswith("| 4.0 |  |")


def test_a_row_on_random_weights_says_that_its_error_is_not_known() -> None:
    table = rows_table(result())
    assert cells(table, "256 px, K = 1 | G_BA")[-1] == "n/a |"
    assert cells(table, "256 px, K = 1 | decode")[-1] == " |"
    assert cells(trained_table(result()), "256 px")[-1] == "more than was measured |"


def test_the_page_says_what_the_committed_results_do() -> None:
    page = (DOCS / "notes/performance.md").read_text(encoding="utf-8")
    made = tables(json.loads(Path(RESULT).read_text(encoding="utf-8")))
    assert len(made) == page.count(f"\n{END}\n")
    for name, table in made.items():
        assert f"{begin(name)}\n{table}\n{END}" in page


def test_the_scaling_page_shows_the_committed_result() -> None:
    table = scaling.table(json.loads(scaling.RESULT.read_text(encoding="utf-8")))
    page = scaling.PAGE.read_text(encoding="utf-8")
    assert f"{begin('benchmarks/results/scaling.json')}\n{table}\n{END}" in page
