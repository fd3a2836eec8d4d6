"""Peak memory of `augengine tile` on slides of growing size: it must not grow with them.

Run: ``python -m benchmarks.tile_memory --picture PICTURE``; ``--sides`` choose how large. Each slide is a pyramid of
JPEG tiles, glass with the picture laid out again and again in the middle third; 200 random tiles are cut from each by
one worker in a fresh process. It writes ``benchmarks/results/tile_memory.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyvips

from benchmarks.machine import machine_facts, versions

RESULT = Path(__file__).parent / "results" / "tile_memory.json"
SIDES = (6000, 20_000, 100_000)

_PEAK = """
import resource, sys
from augengine.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def write_slide(file: Path, picture: Path, side: int) -> None:
    """A square slide of ``side`` px at 0.25 um/px."""
    tile = pyvips.Image.new_from_file(str(picture))
    third = side // 3
    tissue = tile.replicate(-(-third // tile.width), -(-third // tile.height)).crop(0, 0, third, third)
    whole = tissue.embed(third, third, side, side, extend="background", background=[244, 244, 244])
    whole.copy(xres=4000, yres=4000).tiffsave(
        str(file), tile=True, tile_width=256, tile_height=256, pyramid=True, compression="jpeg", Q=80, bigtiff=True
    )


def measure(slide: Path, out: Path) -> dict[str, Any]:
    """Peak resident memory, MiB, and seconds, of one run in a process of its own."""
    options = ["--mpp", "0.5", "--random", "200", "--workers", "1", "--out", str(out)]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, "tile", str(slide), *options], capture_output=True, text=True, check=True
    )
    peak = int(done.stderr.splitlines()[-1]) / 1024
    return {"peak_mib": round(peak, 1), "seconds": round(time.monotonic() - began, 1)}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tile_memory")
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIDES))
    chosen = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    for side in chosen.sides:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_slide(folder / "slide.tif", chosen.picture, side)
            size = (folder / "slide.tif").stat().st_size
            found[str(side)] = {"slide_megabytes": round(size / 1e6), **measure(folder / "slide.tif", folder / "out")}
    result = {
        "command": f"python -m benchmarks.tile_memory --picture {chosen.picture.name}",
        "what": "peak resident memory of augengine tile: 200 random tiles of 508 px from square slides, one worker",
        "by_side_px": found,
        "machine": machine_facts(),
        "versions": versions(("augengine", "openslide-bin", "pyvips-binary")),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
