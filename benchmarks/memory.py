"""Peak memory of `augment` for 100 and for 1000 small samples: it must not grow with their number.

Run: ``python -m benchmarks.memory``. It writes ``benchmarks/results/memory.json``. Peak memory is the kernel's
maximum resident set of the command's process tree; each count runs in a fresh process and a fresh folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from augengine.pictures.encode import encode_image
from benchmarks.augment_line import AUGMENT
from benchmarks.machine import machine_facts, versions

RESULT = Path(__file__).parent / "results" / "memory.json"
COUNTS = (100, 1000)
SIDE = 64
REPEATS = 3

# ru_maxrss of the children: the command and all that it starts, in KiB on Linux.
PROBE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def write_tiles(folder: Path, count: int, side: int = SIDE) -> None:
    """Random 8-bit tiles: their content does not matter here, only their number."""
    random = np.random.default_rng(0)
    for i in range(count):
        pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        (folder / f"tile_{i:05d}.png").write_bytes(encode_image(pixels, "png"))


def peak_mib(count: int) -> float:
    """Peak resident memory of one run over ``count`` samples, in MiB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        write_tiles(folder / "in", count)
        command = [*AUGMENT]
        options = ["--in", str(folder / "in"), "--out", str(folder / "out"), "--samples-per-shard", "25"]
        probe = [sys.executable, "-c", PROBE, *command, *options]
        done = subprocess.run(probe, capture_output=True, text=True, check=True)
        return int(done.stdout) / 1024


def main() -> None:
    """Measure, interleaved, and write the result."""
    peak_mib(COUNTS[0])  # builds the engines, so that no run below does
    peaks: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(REPEATS):
        for count in COUNTS:
            peaks[count].append(round(peak_mib(count), 1))
    few, many = (float(np.median(peaks[count])) for count in COUNTS)
    result = {
        "command": "python -m benchmarks.memory",
        "what": "peak resident memory of augengine augment, MiB, one worker, 25 samples a shard",
        "side_px": SIDE,
        "peaks_mib": {str(count): peaks[count] for count in COUNTS},
        "median_mib": {str(COUNTS[0]): few, str(COUNTS[1]): many},
        "growth_per_1000_samples_mib": round((many - few) / (COUNTS[1] - COUNTS[0]) * 1000, 2),
        "machine": machine_facts(),
        "versions": versions(("augengine", "nvidia-dali-cuda130", "openvino")),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result["median_mib"]) + "\n")


if __name__ == "__main__":
    main()
