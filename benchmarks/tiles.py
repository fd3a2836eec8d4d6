"""Tiles per second of `augengine tile` against bare loops that read and encode the same tiles, and over threads.

Run: ``python -m benchmarks.tiles SLIDE...``; ``--mpp --size --overlap --rounds --out`` choose what. For every slide the
contenders take turns within one run: a loop over OpenSlide and one over libvips, as far as they read it, in one thread,
with our encoder but without masks, json, digests, shards or reports; and our worker with one thread and with all.
The median over the rounds counts. The ``kidney.tif`` of the stored result is what
`tests.real_pyramid.write_real_pyramid` makes of 4 x 5 PAS regions. It writes ``benchmarks/results/tiles.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pyvips

from augengine.images import encode_image
from augengine.machine import cpu_threads
from augengine.slides import open_slide
from augengine.tiling.jobs import make_jobs
from augengine.tiling.listing import list_slides
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey, survey_slide
from augengine.tiling.worker import TileWorker, TileWorkerSpec

RESULT = Path(__file__).parent / "results" / "tiles.json"

Contender = Callable[[], None]


def openslide_loop(survey: Survey, size: int) -> Contender:
    """What a user would write with OpenSlide; tiles at a level's own um/px."""

    def run() -> None:
        slide = openslide.OpenSlide(survey.slide.path)  # as ours does, with nothing in its cache yet
        level = slide.get_best_level_for_downsample(survey.downsample + 1e-3)
        for place in survey.places:
            tile = slide.read_region((place.x, place.y), level, (size, size)).convert("RGB")
            encode_image(np.asarray(tile), "png")

    return run


def vips_loop(survey: Survey, size: int) -> Contender:
    """The same with libvips: a region's pixels of the level that has the wanted um/px."""
    page = round(np.log2(survey.downsample))

    def run() -> None:
        region = pyvips.Region.new(pyvips.Image.new_from_file(survey.slide.path, page=page, revalidate=True))
        for place in survey.places:
            x, y = (round(corner / survey.downsample) for corner in (place.x, place.y))
            pixels = np.frombuffer(region.fetch(x, y, size, size), dtype=np.uint8).reshape(size, size, 3)
            encode_image(pixels, "png")

    return run


def our_worker(survey: Survey, spec: TileSpec, folder: Path, threads: int) -> Contender:
    """A worker that makes all shards of the slide: read, encoded, with json and digests, written and published."""
    jobs = make_jobs([survey], spec, None)
    worker_spec = TileWorkerSpec(
        target=str(folder), spec=spec, keys={survey.slide.path: survey.slide.key}, threads=threads
    )

    def run() -> None:
        with closing(TileWorker(worker_spec)) as worker:
            for report in [worker.submit(job) for job in jobs]:
                assert not report.result().error, report.result().error

    return run


def contenders(survey: Survey, spec: TileSpec, folder: Path) -> dict[str, Contender]:
    """The loops that can read this slide at this um/px without resampling, and ours."""
    with open_slide(Path(survey.slide.path), mpp=spec.slide_mpp) as slide:
        by_libvips = slide.format == "tiff"
    threads = cpu_threads()
    return {
        "bare loop over OpenSlide": openslide_loop(survey, spec.size),
        **({"bare loop over libvips": vips_loop(survey, spec.size)} if by_libvips else {}),
        "ours, 1 thread": our_worker(survey, spec, folder, 1),
        f"ours, {threads} threads": our_worker(survey, spec, folder, threads),
    }


Measured = dict[str, list[float]]


def measure(runs: dict[str, Contender], tiles: int, rounds: int) -> tuple[Measured, Measured]:
    """Tiles a second, and CPU milliseconds a tile; a value a round, after one round that does not count."""
    rates: Measured = {name: [] for name in runs}
    costs: Measured = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            began, busy = time.perf_counter(), time.process_time()
            run()
            if number:
                rates[name].append(tiles / (time.perf_counter() - began))
                costs[name].append((time.process_time() - busy) / tiles * 1000)
    return rates, costs


def summarise(survey: Survey, rates: Measured, costs: Measured) -> dict[str, Any]:
    """A slide's rates, and ours over those of the loop that reads as we do."""
    medians = {name: statistics.median(values) for name, values in rates.items()}
    peer = medians.get("bare loop over libvips", medians["bare loop over OpenSlide"])
    one, many = (rate for name, rate in medians.items() if name.startswith("ours"))
    return {
        "slide": Path(survey.slide.path).name,
        "format": survey.format,
        "tiles": len(survey.places),
        "mpp": survey.mpp,
        "tiles_per_second": {name: round(rate, 1) for name, rate in medians.items()},
        "all_rounds": {name: [round(value, 1) for value in sorted(values)] for name, values in rates.items()},
        "cpu_ms_a_tile": {name: round(statistics.median(values), 2) for name, values in costs.items()},
        "ours_over_bare_loop_one_thread": round(one / peer, 3),
        "all_threads_over_one": round(many / one, 3),
    }


def bench(name: str, spec: TileSpec, rounds: int) -> dict[str, Any]:
    """One slide's result."""
    (listed,) = list_slides([name], annotations=None, wants_labels=False, patients=None)
    with tempfile.TemporaryDirectory() as folder:
        survey = survey_slide(listed, spec, Path(folder))
        assert not survey.error, survey.error
        runs = contenders(survey, spec, Path(folder))
        return summarise(survey, *measure(runs, len(survey.places), rounds))


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiles")
    parser.add_argument("slides", nargs="+")
    parser.add_argument("--mpp", type=float, default=0.5)
    for option, default in (("size", 508), ("overlap", 0), ("rounds", 5)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    spec = TileSpec(mpp=chosen.mpp, size=chosen.size, overlap=chosen.overlap)
    found = [bench(name, spec, chosen.rounds) for name in chosen.slides]
    options = f"--mpp {chosen.mpp:g} --size {chosen.size} --overlap {chosen.overlap} --rounds {chosen.rounds}"
    result = {
        "command": f"python -m benchmarks.tiles {' '.join(Path(name).name for name in chosen.slides)} {options}",
        "what": "tiles of one slide a second, PNG, medians of interleaved rounds; ours writes shards, loops nothing",
        "slides": found,
        "machine": {
            "cpu": platform.machine(),
            "cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
        },
        "versions": {name: version(name) for name in ("augengine", "openslide-bin", "pyvips-binary")},
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write("".join(json.dumps(each["tiles_per_second"]) + "\n" for each in found))


if __name__ == "__main__":
    main()
