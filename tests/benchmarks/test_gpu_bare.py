"""`python -m benchmarks.gpu` on a machine that has torch, Triton, NumPy, onnx and CuPy alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from augengine.engines.driver import why_no_driver
from benchmarks.gpu.suite import FILES
from tests.support.places import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not why_no_driver(), reason="there is a GPU: `make gpu-check` measures it"),
]
ENGINES_ALONE = ("ceilings", "forms", "engines", "stages")
WANT_A_CHAIN = ("job", "chains")


def on_bare_machine(*command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run Python with everything else hidden."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plugins are found by their metadata, which are not hidden
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a rehearsal of every part but the tests leaves."""
    pytest.importorskip("triton", reason="Triton is not installed: pip install 'augengine[dev]'")
    file = tmp_path_factory.mktemp("bare") / "gpu.json"
    parts = [word for part in (*ENGINES_ALONE, *WANT_A_CHAIN) for word in ("--part", part)]
    start = "runpy.run_module('benchmarks.gpu', run_name='__main__', alter_sys=True)"
    hidden = f"import tests.support.bare_machine, runpy; {start}"
    done = on_bare_machine("-c", hidden, "--rehearse", "--backend", "torch", "--out", str(file), *parts)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(file.read_text())["parts"]
    return found


@pytest.mark.parametrize("part", ENGINES_ALONE)
def test_what_needs_engines_alone_is_measured(part: str, rehearsed: dict[str, Any]) -> None:
    assert set(rehearsed[part]) == {"result"}, rehearsed[part]


@pytest.mark.parametrize("part", WANT_A_CHAIN)
def test_what_needs_more_names_what_is_missing(part: str, rehearsed: dict[str, Any]) -> None:
    assert set(rehearsed[part]) == {"missing"}, rehearsed[part]
    assert "No module named" in rehearsed[part]["missing"]


def test_the_gpu_tests_that_engines_need_are_collected_there() -> None:
    files = [file for file, needed in FILES.items() if set(needed) <= {"torch", "triton", "cupy"}]
    assert len(files) == 4
    only = ("--collect-only", "-q", "-m", "gpu")
    done = on_bare_machine("-m", "pytest", "-p", "tests.support.bare_machine", *only, *files)
    assert "error" not in done.stdout, done.stdout
    assert "test_noise_gpu.py::test_the_kernel_on_a_gpu_gives_the_noise_of_the_cpu" in done.stdout


def test_every_file_with_a_test_for_a_gpu_is_named() -> None:
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if "mark.gpu" in file.read_text()]
    assert {file.relative_to(ROOT).as_posix() for file in files} - {"tests/benchmarks/test_gpu_bare.py"} == set(FILES)
