"""What a process keeps after thousands of samples: memory, open descriptors, threads.

Run: ``python -m benchmarks.leaks``; ``--samples --parts --out`` choose what. Each of four ways works through the
samples in a process of its own, in ten parts: `augment`, once a part, `verify` and `open_dataset` on what it made, and
`Augmenter` on arrays. What the process holds is read after each part. What it has grown by counts from the second,
when everything is loaded. The result is ``benchmarks/results/leaks.json``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from augengine import Augmenter, augment, open_dataset, verify
from augengine.sources.sample_set import STAIN
from augengine.weights.home import SAMPLE_WEIGHTS
from benchmarks.machine import machine_facts, versions
from benchmarks.memory import write_tiles

RESULT = Path(__file__).parent / "results" / "leaks.json"
SIDE, PARTS, WARM = 64, 10, 2
WAYS = ("augment", "verify", "open_dataset", "Augmenter")
Part = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a process holds.

    Attributes:
        resident_mib: Resident memory in MiB.
        descriptors: Open files, pipes and sockets.
        threads: All that the kernel runs, Python's among them.
    """

    resident_mib: float
    descriptors: int
    threads: int

    @classmethod
    def now(cls) -> Held:
        """This process, after what nobody refers to is gone."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            resident_mib=round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
            descriptors=sum(1 for _ in Path("/proc/self/fd").iterdir()),
            threads=sum(1 for _ in Path("/proc/self/task").iterdir()),
        )


def after_each(part: Part, parts: int) -> list[Held]:
    """What is held after each part."""
    found = []
    for number in range(parts):
        part(number)
        found.append(Held.now())
    return found


def _augment(folder: Path, number: int) -> None:
    made = augment(
        stain=STAIN,
        eps=0.05,
        mpp=0.5,
        seed=number,
        source=str(folder / "in"),
        out=folder / f"out-{number}",
        samples_per_shard=25,
        weights=SAMPLE_WEIGHTS,
        force=True,
    )
    assert made.outcome.complete()


def _verify(folder: Path, number: int) -> None:
    assert verify(folder / f"out-{number}").ok


def _load(folder: Path, number: int) -> None:
    for _ in open_dataset(folder / f"out-{number}"):
        pass


def _images(augmenter: Augmenter, count: int, number: int) -> None:
    random = np.random.default_rng(number)
    for index in range(count):
        augmenter(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), key=f"{number}-{index}")


def _way(name: str, folder: Path, parts: int, count: int) -> list[Held]:
    """One of the ways, in this process; `WAYS` is an order in which each finds what it reads."""
    if name == "Augmenter":
        with Augmenter(STAIN, weights=SAMPLE_WEIGHTS) as augmenter:
            return after_each(partial(_images, augmenter, count), parts)
    way = {"augment": _augment, "verify": _verify, "open_dataset": _load}[name]
    return after_each(partial(way, folder), parts)


def measure(way: str, folder: Path, parts: int, count: int) -> dict[str, Any]:
    """One way in a fresh process: what it held at the end, how much that had grown, its memory after each part."""
    own = ["--way", way, "--folder", str(folder), "--parts", str(parts), "--count", str(count)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.leaks", *own], stdout=subprocess.PIPE, text=True, check=True
    )
    held = json.loads(done.stdout.splitlines()[-1])
    before, after = held[WARM - 1], held[-1]
    grown = {f"grown_{name}": round(after[name] - before[name], 1) for name in after}
    return {**after, **grown, "resident_mib_by_part": [each["resident_mib"] for each in held]}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks")
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--parts", type=int, default=PARTS)
    parser.add_argument("--out", type=Path, default=RESULT)
    for name, kind in (("way", str), ("folder", Path), ("count", int)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.way:
        held = _way(chosen.way, chosen.folder, chosen.parts, chosen.count)
        sys.stdout.write(json.dumps([asdict(each) for each in held]) + "\n")
        return
    count = chosen.samples // chosen.parts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        write_tiles(folder / "in", count, SIDE)
        rows = {way: measure(way, folder, chosen.parts, count) for way in WAYS}
    result = {
        "command": "python -m benchmarks.leaks",
        "what": f"held by one process after all samples, and grown since the first {WARM} of {chosen.parts} parts",
        "samples": chosen.samples,
        "side_px": SIDE,
        "rows": rows,
        "machine": machine_facts(),
        "versions": versions(("augengine", "nvidia-dali-cuda130", "openvino", "torch")),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
