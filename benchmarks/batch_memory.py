"""Memory of a batch for each 8-bit value that comes out of it: what bounds the batch in `augengine.dataset.load`.

Run: ``python -m benchmarks.batch_memory``. Peak memory of `augment` over three batches of four tiles, for several
numbers of variants, each in a fresh process; the slope over the values of a batch is what one costs. It writes
``benchmarks/results/batch_memory.json``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.augment_line import AUGMENT
from benchmarks.machine import machine_facts, versions
from benchmarks.memory import PROBE, write_tiles

RESULT = Path(__file__).parent / "results" / "batch_memory.json"
SIDE, BATCH, BATCHES = 256, 4, 3
VARIANTS = (1, 15, 30, 45, 60)


def peak_mib(folder: Path, variants: int) -> float:
    """Peak resident memory of one run, in MiB."""
    command = [*AUGMENT]
    options = ["--in", str(folder / "in"), "--out", str(folder / f"out-{variants}"), "--variants", str(variants)]
    probe = [sys.executable, "-c", PROBE, *command, *options]
    done = subprocess.run(probe, capture_output=True, text=True, check=True)
    return round(int(done.stdout) / 1024, 1)


def bytes_a_value(peaks_mib: dict[int, float], values_a_variant: int) -> float:
    """The slope of the peaks, in bytes for each value of a batch.

    Args:
        peaks_mib: Variants -> peak.
        values_a_variant: 8-bit values that one variant of every image of a batch has.
    """
    slope, _ = np.polyfit(list(peaks_mib), list(peaks_mib.values()), 1)
    return float(slope) * 2**20 / values_a_variant


def main() -> None:
    """Measure and write the result."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # more cores make larger batches
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        write_tiles(folder / "in", BATCH * BATCHES, SIDE)
        peaks = {variants: peak_mib(folder, variants) for variants in VARIANTS}
    found = bytes_a_value(peaks, BATCH * 3 * SIDE * SIDE)
    result = {
        "command": "python -m benchmarks.batch_memory",
        "what": "peak resident memory of augengine augment, MiB, by variants; 12 tiles in batches of 4",
        "side_px": SIDE,
        "peaks_mib": peaks,
        "bytes_a_value": round(found, 1),
        "machine": machine_facts(),
        "versions": versions(("augengine", "nvidia-dali-cuda130", "openvino")),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps({"peaks_mib": peaks, "bytes_a_value": round(found, 1)}) + "\n")


if __name__ == "__main__":
    main()
