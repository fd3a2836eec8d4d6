"""What a pass spends its time on in OpenVINO, by kind of operator: ``python -m benchmarks.operators``

One generator with random weights, one stream of one thread, OpenVINO's own counters. For every size and precision the
median share of each kind over the rounds. It writes ``benchmarks/results/operators.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augengine.engines._openvino import OpenVinoBackend, core, settings
from augengine.engines.onnx_int8 import to_int8
from augengine.engines.onnx_types import fix_shape, read_model, save, to_float32
from augengine.spec import Precision
from benchmarks.machine import machine_facts, versions
from benchmarks.speed.material import Material, Size

RESULT = Path(__file__).parent / "results" / "operators.json"


def measure(material: Material, precision: Precision, rounds: int) -> dict[str, float]:
    """Kind of operator -> median of its share of a pass, the largest first; what no kernel runs is left out."""
    request = _compile(material, precision).create_infer_request()
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, material.size.side, material.size.side)).astype(np.float32)
    request.infer([x])
    shares = defaultdict[str, list[float]](list)
    for _ in range(rounds):
        request.infer([x])
        for kind, share in _shares(request.get_profiling_info()).items():
            shares[kind].append(share)
    medians = {kind: round(statistics.median(found), 4) for kind, found in shares.items()}
    return {kind: medians[kind] for kind in sorted(medians, key=lambda kind: -medians[kind]) if medians[kind]}


def _compile(material: Material, precision: Precision) -> Any:
    side, file, others = material.size.side, material.folder / "operators.onnx", precision
    model = to_float32(read_model(material.onnx()[0]))
    if precision == "int8":
        form = material.int8_form()
        model, others = to_int8(model, form, unsigned=True), form.others
    save(fix_shape(model, 1, side, side), file)
    return core().compile_model(core().read_model(file), "CPU", settings(others, 1) | {"PERF_COUNT": True})


def _shares(counters: Any) -> dict[str, float]:
    seconds = defaultdict[str, float](float)
    for each in counters:
        seconds[each.node_type] += each.real_time.total_seconds()
    whole = sum(seconds.values())
    return {kind: value / whole for kind, value in seconds.items()}


def _precisions() -> Sequence[Precision]:
    backend = OpenVinoBackend()
    return backend.precisions() if backend.why_no_int8() else ("int8", *backend.precisions())


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 508])
    for option, default in (("width", 64), ("blocks", 9), ("rounds", 5)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    for side in chosen.sides:
        with tempfile.TemporaryDirectory() as name:
            size = Size(side=side, width=chosen.width, blocks=chosen.blocks, images=2)
            material = Material(size=size, folder=Path(name), threads=1)
            found[str(side)] = {each: measure(material, each, chosen.rounds) for each in _precisions()}
    result = {
        "command": "python -m benchmarks.operators " + " ".join(sys.argv[1:]),
        "what": "median share of a pass by kind of operator, one stream of one thread",
        "shares": found,
        "machine": machine_facts(),
        "versions": versions(("augengine", "openvino")),
    }
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for side, by_precision in found.items():
        for precision, shares in by_precision.items():
            print(side, precision, ", ".join(f"{kind} {share:.1%}" for kind, share in shares.items()))


if __name__ == "__main__":
    main()
