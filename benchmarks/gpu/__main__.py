"""Run the GPU tests and every part, and write ``benchmarks/results/gpu.json``; the exit status is 1 if one failed.

It needs torch, Triton, NumPy, onnx and CuPy. What else a part needs and does not find it names as missing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from augengine.machine import cpu_threads
from augengine.spec import BackendName, Precision
from benchmarks.gpu.ceilings import name_of_gpu
from benchmarks.gpu.part import Part, Setting, find_all, state_of
from benchmarks.gpu.result import Result, load_part
from benchmarks.machine import machine_facts, versions

RESULT = Path(__file__).parents[1] / "results" / "gpu.json"
PACKAGES = (
    "augengine", "torch", "triton", "cupy-cuda13x", "onnx", "nvidia-cudnn-cu13", "tensorrt-cu13", "tensorrt-rtx-cu13",
    "nvidia-dali-cuda130", "nvidia-nvimgcodec-cu13", "opencv-python-headless",
)  # fmt: skip

PARTS: Mapping[str, Part] = {
    "tests": load_part("benchmarks.gpu.suite", "tests"),
    "ceilings": load_part("benchmarks.gpu.ceilings", "ceilings"),
    "forms": load_part("benchmarks.gpu.forms", "forms"),
    "engines": load_part("benchmarks.gpu.engines", "engines"),
    "job": load_part("benchmarks.gpu.chains", "job"),
    "chains": load_part("benchmarks.gpu.chains", "chains"),
    "stages": load_part("benchmarks.gpu.stages", "stages"),
}
"""What is worth most comes first, in case the time is short."""

_TINY: Mapping[str, Any] = {
    "sides": (32,), "batches": (1,), "width": 16, "blocks": 1, "images": 2, "variants": 2, "rounds": 1, "device": "cpu",
    "calls": 1, "job_seconds": 0.0, "product_side": 64, "copied": 1024,
}  # fmt: skip


def main() -> None:
    """Measure, and write the result after every row."""
    chosen = _parser().parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["AUGENGINE_HOME"] = name
        setting = _setting(chosen, Path(name))
        result = Result(file=chosen.out, facts=_facts(), seconds=chosen.seconds)
        for part in chosen.parts or PARTS:
            result.run(part, PARTS[part], setting)
            sys.stdout.write(f"{part}: {state_of(result.parts[part])}\n")
            sys.stdout.flush()
    sys.exit(any(True for _ in find_all("failed", result.parts)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--part", dest="parts", action="append", choices=list(PARTS), help="only this; repeatable")
    parser.add_argument("--seconds", type=float, help="no row begins later than this after the start")
    parser.add_argument("--backend", choices=get_args(BackendName), default="auto", help="what runs the engines")
    parser.add_argument("--precision", choices=get_args(Precision), help="measure this precision alone")
    parser.add_argument("--sides", type=int, nargs="+", default=[508, 256], help="sides of the images, in pixels")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 2, 8, 1, 16, 32], help="images per engine call")
    for option, default, help_text in (
        ("width", 64, "channels of the first convolution"),
        ("blocks", 9, "residual blocks"),
        ("images", 64, "source images per shard of a job and per call of a chain"),
        ("variants", 4, "variants of each source image"),
        ("rounds", 5, "rounds that count, after one that does not"),
    ):
        parser.add_argument(f"--{option}", type=int, default=default, help=help_text)
    parser.add_argument("--job-seconds", type=float, default=5.0, help="how long each row of job is measured at least")
    parser.add_argument("--out", type=Path, default=RESULT, help="the result, as json")
    parser.add_argument("--rehearse", action="store_true", help="run every part on the CPU at tiny sizes, to try it")
    return parser


def _setting(chosen: argparse.Namespace, folder: Path) -> Setting:
    names = ("width", "blocks", "images", "variants", "rounds", "backend", "precision", "job_seconds")
    own: dict[str, Any] = {name: getattr(chosen, name) for name in names}
    own |= {"sides": tuple(chosen.sides), "batches": tuple(chosen.batches)}
    return Setting(threads=cpu_threads(), folder=folder, **own | (dict(_TINY) if chosen.rehearse else {}))


def _facts() -> dict[str, Any]:
    return {
        "command": "python -m benchmarks.gpu " + " ".join(sys.argv[1:]),
        "what": "the GPU path: tests, ceilings, torch's forms, engines over batches, the whole job, chains, stages",
        "machine": machine_facts() | {"device": name_of_gpu()},
        "versions": versions(PACKAGES),
    }


if __name__ == "__main__":
    main()
