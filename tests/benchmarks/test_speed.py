"""`make bench` on the smallest size: its rows are there and its arithmetic holds. Its timings are not judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.batch_memory import bytes_a_value
from benchmarks.pages import END, begin
from benchmarks.rounds import Contender, interleave, quartiles, ratio, row
from benchmarks.scaling import Assumed, Measured, driver_ms, feeding, needs
from benchmarks.speed import __main__ as speed
from benchmarks.speed.material import Size
from benchmarks.speed.peak import matrix_products, peaks
from benchmarks.speed.picture import STORED

ROWS = ["decode", "G_BA", "noise", "G_AB", "encode PNG", "encode JPG", "tar", "chain plain", "chain dali"]
ROWS += ["pass, OpenVINO", "whole job,", "whole job, null engine", "whole job, null sink", "eager", "onnxruntime"]


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    turns = [Contender(name=name, run=lambda name=name: calls.append(name), images=1) for name in "ab"]  # type: ignore[misc]
    seconds = interleave(turns, 2)
    assert calls == ["a", "b"] * 3
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}


def test_rates_are_medians_and_ratios_are_those_of_the_rounds() -> None:
    assert quartiles([4.0]) == (4.0, 4.0, 4.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)
    # A machine that slows down by half midway leaves the ratio alone.
    assert ratio([1.0, 2.0, 2.0], [2.0, 4.0, 4.0]) == 2.0
    found = row(Contender(name="x", run=int, images=4, gflop=100, flops_peak="float32"), [2.0], {"float32": 100.0})
    assert found == {"images_per_second": 2.0, "quartiles": [2.0, 2.0], "gflop_per_second": 50.0, "share_of_peak": 0.5}


def test_the_peak_is_that_of_the_faster_library() -> None:
    products = [*matrix_products("float32", 64, 1), *matrix_products("bfloat16", 64, 1)]
    by_torch, by_numpy, narrow = (each.name for each in products)
    for each in products:
        each.run()
    gflop = products[0].gflop
    found = peaks(products, {by_torch: [2.0, 4.0, 9.0], by_numpy: [1.0], narrow: [0.5]})
    assert found == {"float32": gflop, "bfloat16": 2 * gflop}


def test_what_a_value_costs_is_the_slope_over_the_variants() -> None:
    peaks = {1: 100.0 + 3, 10: 100.0 + 30, 20: 100.0 + 60}
    assert bytes_a_value(peaks, 2**20) == pytest.approx(3.0)


def test_the_drivers_cost_is_that_of_the_dearest_life_in_a_soak(tmp_path: Path) -> None:
    soak = tmp_path / "soak.json"
    soak.write_text(json.dumps({"drivers": [{"cpu_ms_per_shard": ms} for ms in (2.0, 7.5, None)]}))
    assert driver_ms([soak, soak]) == 7.5


def test_what_many_gpus_need_grows_in_proportion() -> None:
    assumed = Assumed(tflops=500.0, gpu_hour=3.6, driver_ms=10.0, variants=4, gflop=400.0)
    measured = Measured(encoded_bytes=500_000, encoded_per_second=100.0, decoded_per_second=1e9)
    one, many = needs(1, assumed, measured), needs(8, assumed, measured)
    # 500 TFLOP/s over 5/4 passes of 400 GFLOP a variant.
    assert one["variants_per_second"] == 1000
    assert one["written_mb_per_second"] == 500
    assert one["read_mb_per_second"] == 125
    assert one["cores"] == 10
    assert one["cost_per_1000_variants"] == 0.001
    assert many["cost_per_1000_variants"] == one["cost_per_1000_variants"]
    assert many["cores"] == 8 * one["cores"]
    assert many["papers_schedule_hours"] == pytest.approx(one["papers_schedule_hours"] / 8, rel=0.01)


def test_what_feeds_a_gpu_is_reckoned_in_cores_and_processes() -> None:
    row = {
        "side": 256,
        "variants": 4,
        "format": "png",
        "threads_ms": {"encode": 8.0, "drive": 2.0},
        "with_the_lock_ms": 2,
    }
    line = feeding([row], {256: 100.0}, 500.0).splitlines()[-1]
    assert line == "| 256 px, PNG | 1000 | 10.0 | 10.0 | 2.00 | 2.0 |"


def test_a_bench_broken_off_leaves_the_sizes_it_has_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(size: Size, variants: int, *_: object, **__: object) -> dict[str, object]:
        if variants == 4:
            raise KeyboardInterrupt
        return {"side": size.side, "variants": variants, "rows": {}}

    file = tmp_path / "speed.json"
    monkeypatch.setattr(speed, "measure", measure)
    monkeypatch.setattr(speed, "trained_rows", lambda *_: {})
    monkeypatch.setattr(sys, "argv", ["speed", "--sides", "64", "128", "--no-compile", "--out", str(file)])
    with pytest.raises(KeyboardInterrupt):
        speed.main()
    result = json.loads(file.read_text())
    assert [(each["side"], each["variants"]) for each in result["sizes"]] == [(64, 1)]
    assert [each for each in result["not_measured"] if "reached" in each] == [
        "64 px, K = 4: not reached",
        "128 px, K = 1: not reached",
        "128 px, K = 4: not reached",
    ]


@pytest.mark.e2e
def test_the_bench_measures_every_stage_and_draws_its_page(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    command = [sys.executable, "-m", "benchmarks.speed", "--sides", "64", "--variants", "2", "--width", "4"]
    command += ["--blocks", "1", "--images", "4", "--rounds", "1", "--peak-side", "64", "--no-compile"]
    command += ["--out", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    (size,) = result["sizes"]
    assert not any("not reached" in each for each in result["not_measured"])
    for start in ROWS:
        assert any(name.startswith(start) for name in size["rows"]), start
    assert size["equivalent_sigma"] == "n/a"
    assert result["trained"]["64"]["float32"]["equivalent_sigma"] == 0
    assert size["command"]["peak_mib"] > 50
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/performance.md").write_text(f"before\n{begin(STORED)}\nold\n{END}\nafter\n")
    subprocess.run([sys.executable, "-m", "benchmarks.speed.picture", "--result", file, "--docs", tmp_path], check=True)
    page = (tmp_path / "notes/performance.md").read_text()
    assert page.startswith("before")
    assert page.endswith("after\n")
    assert "old" not in page
    assert all(name in page for name in size["rows"])
    assert (tmp_path / "speed.svg").read_text().count("whole job") >= 1
