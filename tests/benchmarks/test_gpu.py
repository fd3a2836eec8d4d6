"""`make gpu-check`: every part's body runs here on the CPU's engines; what it makes of their rows holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augengine.engines._openvino import OpenVinoBackend
from augengine.engines._tensorrt import TensorRtBackend
from augengine.engines.driver import why_no_driver
from augengine.errors import BackendUnavailable
from benchmarks.gpu.__main__ import PARTS
from benchmarks.gpu.ceilings import ceilings
from benchmarks.gpu.chains import chains, job
from benchmarks.gpu.engines import all_rows, engines, in_own_process, try_unlisted
from benchmarks.gpu.forms import FORMS, forms, judge
from benchmarks.gpu.part import OUT_OF_TIME, Part, Rows, Setting, attempt, find_all, require_backend, state_of
from benchmarks.gpu.result import Result
from benchmarks.gpu.stages import stages
from benchmarks.gpu.targets import add_shares, targets

on_cpu = pytest.mark.skipif(not why_no_driver(), reason="there is a GPU: `make gpu-check` measures it")
FACTS = ("backend", "version", "device_class", "precision", "side", "batch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared: the generators are exported once."""
    return tmp_path_factory.mktemp("gpu-check")


def setting(folder: Path, device: Any = "cpu") -> Setting:
    """The smallest that every part can run."""
    return Setting(
        sides=(32,),
        batches=(1,),
        width=4,
        blocks=1,
        images=2,
        variants=2,
        rounds=1,
        threads=1,
        folder=folder,
        device=device,
        calls=1,
        job_seconds=0.0,
        product_side=64,
        copied=1 << 10,
    )


def done(part: Part, its_setting: Setting) -> dict[str, Any]:
    """The rows of a part that came to its end."""
    found = attempt(part, its_setting)
    assert set(found) == {"result"}, found
    rows: dict[str, Any] = found["result"]
    return rows


def rows_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of the one side."""
    rows: dict[str, dict[str, Any]] = found["32"]
    assert all(row["images_per_second"] > 0 for row in rows.values())
    assert all(fact in row for row in rows.values() for fact in FACTS)
    return rows


def test_the_ceilings_are_measured(folder: Path) -> None:
    found = done(ceilings, setting(folder))
    assert set(found["tflop_per_second"]) == {"float16", "bfloat16", "float32"}
    assert all(value > 0 for value in found["tflop_per_second"].values())


@on_cpu
@pytest.mark.e2e
def test_every_engine_is_measured_in_every_precision(folder: Path) -> None:
    found = done(engines, setting(folder))
    assert set(found) == {"openvino", "torch"}
    assert set(found["openvino"]) == set(OpenVinoBackend().precisions())
    for backend in found.values():
        for precision in backend.values():
            row = precision["32"]["1"]
            assert row["images_per_second"] > 0
            assert all(fact in row for fact in FACTS)
    assert list(find_all("failed", found)) == []


def test_a_size_that_an_engine_refuses_is_found_deep_inside(folder: Path) -> None:
    small = setting(folder)
    refused = Setting(**{name: getattr(small, name) for name in Setting.__slots__} | {"batches": (3,)})
    found = {"engines": {"result": {"openvino": all_rows(OpenVinoBackend(), refused)}}}
    failures = dict(find_all("failed", found))
    assert "engines/result/openvino/float32/32/3" in failures
    assert all("batch 3" in reason for reason in failures.values())
    assert "failed: openvino/float32/32/3: EngineError" in state_of(found["engines"])


@on_cpu
def test_every_form_of_the_float16_pass_is_measured_with_its_kernels(folder: Path) -> None:
    pytest.importorskip("triton", reason="Triton is not installed: pip install 'augengine[dev]'")
    found = done(forms, setting(folder))["32"]
    assert list(found) == [form.name for form in FORMS if not form.compiled]
    assert all(part.device.type == "cpu" for part in setting(folder).networks().generators[0].parameters())
    for row in found.values():
        assert "failed" not in row, row
        assert 0 < row["rms_error"] < 0.01
        assert row["tflop_per_second"] > 0
        assert all(fact in row for fact in FACTS)
        assert list(row["microseconds"].values()) == sorted(row["microseconds"].values(), reverse=True)


@on_cpu
@pytest.mark.e2e
def test_the_stages_of_a_call_are_timed(folder: Path) -> None:
    found = done(stages, setting(folder))["32"]
    assert set(found["milliseconds"]) == {"G_BA", "noise", "G_AB", "all"}
    assert all(value > 0 for value in found["milliseconds"].values())
    assert all(fact in found for fact in FACTS)


@on_cpu
@pytest.mark.e2e
def test_both_chains_are_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(folder))
    rows = rows_of(done(chains, setting(folder)))
    assert [name.split(",")[0] for name in rows] == ["chain plain", "chain dali"]


@on_cpu
@pytest.mark.e2e
def test_the_whole_job_is_measured_in_both_formats_beside_the_loops(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(folder))
    rows = rows_of(done(job, setting(folder)))
    for start in ("whole job, png", "whole job, jpg", "whole job, null sink, jpg", "eager loop, TF32 off"):
        assert any(name.startswith(start) for name in rows), start
    assert {row["image_format"] for name, row in rows.items() if name.startswith("whole")} == {"png", "jpg"}


@on_cpu
@pytest.mark.parametrize("part", list(PARTS))
def test_without_a_gpu_no_part_takes_the_cpu_for_one(part: str, folder: Path) -> None:
    found = attempt(PARTS[part], setting(folder, "cuda"))
    assert "NVIDIA" in found["missing"]


@on_cpu
def test_engines_of_another_device_are_missing_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.gpu.part.require_torch", lambda _: None)
    with pytest.raises(BackendUnavailable, match=r"would run as cpu-.*, not on cuda: tensorrt: "):
        require_backend(setting(folder, "cuda"))
    found = all_rows(OpenVinoBackend(), setting(folder, "cuda"))
    assert "not on cuda" in found["missing"]


class Crashing(OpenVinoBackend):
    def why_unavailable(self) -> str:
        os._exit(1)


def test_a_package_that_takes_its_process_with_it_has_failed_and_the_rest_goes_on(folder: Path) -> None:
    assert in_own_process(Crashing(), setting(folder))["failed"].startswith("BrokenProcessPool")


def test_a_package_on_a_gpu_that_it_does_not_list_is_tried_and_its_refusal_is_no_failure(folder: Path) -> None:
    ran = try_unlisted(OpenVinoBackend(), setting(folder))
    assert ran["float32"]["32"]["1"]["images_per_second"] > 0
    refused = try_unlisted(Crashing(), setting(folder))
    assert refused["refused"].startswith("BrokenProcessPool")
    found = {"engines": {"result": {"tensorrt_rtx": {"missing": "lists others", "tried": ran | {"float16": refused}}}}}
    assert list(find_all("failed", found)) == []
    ceiling = {"ceilings": {"result": {"tflop_per_second": {"float32": 1.0, "float16": 1.0}}}}
    assert targets(ceiling | found) == []


def test_a_form_that_gives_something_else_has_failed() -> None:
    plain = {"rms_error": 0.001}
    assert judge({"rms_error": 0.0012}, plain) == {"rms_error": 0.0012}
    assert "0.0015 is the most" in judge({"rms_error": 0.01}, plain)["failed"]
    assert judge({"failed": "no compiler"}, plain) == {"failed": "no compiler"}
    assert judge({"rms_error": 0.01}, {"failed": "no room"}) == {"rms_error": 0.01}


@on_cpu
def test_each_package_of_tensorrt_says_what_it_lacks(folder: Path) -> None:
    found = in_own_process(TensorRtBackend("tensorrt_rtx"), setting(folder, "cuda"))
    assert "missing" in found


def test_a_part_says_what_became_of_it() -> None:
    assert state_of({"missing": "no NVIDIA driver"}) == "missing: no NVIDIA driver"
    assert state_of({"failed": "KeyError: 1\nmore"}) == "failed: KeyError: 1 more"
    assert state_of({"result": {"torch": {"missing": "no cupy"}}}) == "done; missing: torch: no cupy"
    assert state_of({"result": {"x": 1}}) == "done"


def _row(rate: float, tflops: float, batch: int, **more: Any) -> dict[str, Any]:
    facts = {"version": "tensorrt 11", "precision": "float16", "side": 256, "batch": batch}
    return facts | {"images_per_second": rate, "tflop_per_second": tflops} | more


def _parts() -> dict[str, Any]:
    rows = {"8": _row(1000.0, 500.0, 8), "16": _row(1100.0, 550.0, 16)}
    ours = {"precision": "float16", "side": 256, "batch": 8, "version": "tensorrt 11", "variants": 4}
    return {
        "ceilings": {"result": {"tflop_per_second": {"float16": 1000.0}}},
        "engines": {"result": {"tensorrt": {"float16": {"256": rows}}, "torch": {"missing": "no cupy"}}},
        "job": {
            "result": {
                "256": {
                    "whole job, png, float16, K = 4": ours | {"images_per_second": 150.0, "gflop_per_second": 4e5},
                    "whole job, jpg, float16, K = 4": ours | {"images_per_second": 190.0},
                    "eager loop, TF32 off, K = 4": {"precision": "float32", "images_per_second": 16.0},
                    "eager loop, TF32 on, K = 4": {"precision": "tf32", "images_per_second": 30.0},
                }
            }
        },
    }


def test_what_is_aimed_at_is_worked_out_over_the_parts() -> None:
    found = {each["what"]: (each["value"], each["met"]) for each in targets(_parts())}
    assert found == {
        "tensorrt 11, float16, batch 16, over the product": (0.55, False),
        # An image costs 1 + 4 passes: 150 images/s are 750 of the engine's 1000 at the batch that the job runs.
        "job, png, over the engine": (0.75, False),
        "job, jpg, over the engine": (0.95, True),
        "job, png, over the eager loop": (9.375, False),
        "job, jpg, over the eager loop": (11.875, True),
    }


@pytest.mark.parametrize("absent", ["ceilings", "engines", "job"])
def test_a_ratio_of_a_part_that_did_not_run_is_left_out(absent: str) -> None:
    whole, parts = len(targets(_parts())), _parts()
    parts[absent] = {"missing": "torch does not use the GPU"}
    assert 0 < len(targets(parts)) < whole
    assert targets({}) == []


def test_rows_tell_their_share_of_the_ceiling_of_their_own_precision() -> None:
    parts = _parts()
    add_shares(parts)
    rows = parts["job"]["result"]["256"]
    assert parts["engines"]["result"]["tensorrt"]["float16"]["256"]["8"]["share_of_ceiling"] == 0.5
    assert rows["whole job, png, float16, K = 4"]["share_of_ceiling"] == 0.4
    assert "share_of_ceiling" not in rows["eager loop, TF32 on, K = 4"]


def counting(its_setting: Setting) -> Rows:
    """Five rows."""
    for number in range(5):
        yield ("side", str(number)), {"images_per_second": number}


def breaking(its_setting: Setting) -> Rows:
    yield ("row",), 1
    raise KeyError("gone")


def killed(its_setting: Setting) -> Rows:
    yield ("row",), 1
    raise KeyboardInterrupt


def test_no_row_begins_once_the_seconds_are_over(folder: Path) -> None:
    now = iter(range(100))
    result = Result(file=folder / "short.json", facts={}, seconds=3, clock=lambda: next(now))
    result.run("counting", counting, setting(folder))
    result.run("more", counting, setting(folder))
    assert list(result.parts["counting"]["result"]["side"]) == ["0", "1", "2"]
    assert result.parts["counting"]["stopped"] == result.parts["more"]["stopped"] == OUT_OF_TIME
    assert "result" not in result.parts["more"]


def test_a_run_that_is_killed_leaves_the_rows_before(folder: Path) -> None:
    result = Result(file=folder / "killed.json", facts={"what": "a test"})
    result.run("counting", counting, setting(folder))
    with pytest.raises(KeyboardInterrupt):
        result.run("killed", killed, setting(folder))
    found = json.loads(result.file.read_text())
    assert found["what"] == "a test"
    assert len(found["parts"]["counting"]["result"]["side"]) == 5
    assert found["parts"]["killed"] == {"result": {"row": 1}}


def test_a_part_that_breaks_keeps_its_rows_and_is_not_the_others_end(folder: Path) -> None:
    found = attempt(breaking, setting(folder))
    assert found == {"result": {"row": 1}, "failed": "KeyError: 'gone'"}
    assert state_of(found) == "failed: KeyError: 'gone'"


@on_cpu
@pytest.mark.e2e
def test_a_row_of_the_job_takes_the_seconds_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(folder))
    (tmp := folder / "longer").mkdir()
    long = replace(setting(tmp), job_seconds=1.0)
    row = next(row for _, row in job(long))
    assert row["calls"] > 1
    assert row["calls"] * long.images / row["images_per_second"] > 0.4


@on_cpu
def test_a_backend_and_a_precision_are_measured_alone(folder: Path) -> None:
    found = done(engines, replace(setting(folder), backend="openvino", precision="float32"))
    assert {name: list(rows) for name, rows in found.items()} == {"openvino": ["float32"]}


@on_cpu
def test_the_command_says_of_every_part_what_it_lacks(folder: Path) -> None:
    file = folder / "gpu.json"
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--out", str(file)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(file.read_text())
    assert list(found["parts"]) == list(PARTS)
    assert all("NVIDIA" in part["missing"] for part in found["parts"].values())
    assert found["targets"] == []
    assert found["machine"]["device"] == ""
    assert [line.split(":")[0] for line in ran.stdout.splitlines()] == list(PARTS)
