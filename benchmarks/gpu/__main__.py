"""Run the GPU tests and every part, and write ``benchmarks/results/gpu.json``; the exit status is 1 if one failed."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from augengine.machine import cpu_threads
from benchmarks.gpu.ceilings import ceilings, name_of_gpu
from benchmarks.gpu.chains import chains, job
from benchmarks.gpu.engines import engines
from benchmarks.gpu.forms import forms
from benchmarks.gpu.part import Part, Setting, attempt, find_all, require_gpu, state_of
from benchmarks.gpu.stages import stages
from benchmarks.gpu.targets import add_shares, targets
from benchmarks.machine import machine_facts, versions

RESULT = Path(__file__).parents[1] / "results" / "gpu.json"
PACKAGES = ("augengine", "torch", "tensorrt-cu13", "tensorrt-rtx-cu13", "triton", "cupy-cuda13x", "nvidia-dali-cuda130")
_TAIL = 4000


def tests(setting: Setting) -> dict[str, Any]:
    """The tests marked ``gpu``, in which a skip is a failure."""
    require_gpu(setting)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"AUGENGINE_REQUIRE_GPU": "1"}, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the gpu tests failed:\n{done.stdout[-_TAIL:]}")
    lines = done.stdout.strip().splitlines()
    return {"passed": lines[-1], "skipped": [line for line in lines if line.startswith("SKIPPED")]}


PARTS: dict[str, Part] = {
    "tests": tests,
    "ceilings": ceilings,
    "engines": engines,
    "forms": forms,
    "stages": stages,
    "chains": chains,
    "job": job,
}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--part", dest="parts", action="append", choices=list(PARTS), help="only this; repeatable")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 508])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    for option, default in (("width", 64), ("blocks", 9), ("images", 64), ("variants", 4), ("rounds", 5)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["AUGENGINE_HOME"] = name
        setting = Setting(
            sides=tuple(chosen.sides),
            batches=tuple(chosen.batches),
            width=chosen.width,
            blocks=chosen.blocks,
            images=chosen.images,
            variants=chosen.variants,
            rounds=chosen.rounds,
            threads=cpu_threads(),
            folder=Path(name),
        )
        parts = {part: attempt(PARTS[part], setting) for part in chosen.parts or PARTS}
    add_shares(parts)
    result = {
        "command": "python -m benchmarks.gpu " + " ".join(sys.argv[1:]),
        "what": "the GPU path: tests, ceilings, engines over batches, torch's forms, stages, chains, the whole job",
        "parts": parts,
        "targets": targets(parts),
        "machine": machine_facts() | {"device": name_of_gpu()},
        "versions": versions(PACKAGES),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.writelines(f"{part}: {state_of(found)}\n" for part, found in parts.items())
    sys.exit(any(True for _ in find_all("failed", parts)))


if __name__ == "__main__":
    main()
