"""Tiles per second of `augengine tile` against bare loops that read and encode the same tiles, and over threads.

Run: ``python -m benchmarks.tiles SLIDE...``; ``--mpp --size --overlap --rounds --out`` choose what. For every slide the
contenders take turns within one run: a loop over OpenSlide and one over libvips, as far as they read it, in one thread,
with our encoder but without masks, json, digests, shards or reports; our worker with one thread and with all; and the
best loop and our worker again in one process a core, which shows what the cores can give to anybody.
The median over the rounds counts. The ``kidney.tif`` of the stored result is what
`tests.support.real_pyramid.write_real_pyramid` makes of 4 x 5 PAS regions. It writes ``benchmarks/results/tiles.json``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pyvips

from augengine.jobs import Job
from augengine.machine import cpu_threads
from augengine.pictures.encode import encode_image
from augengine.tiling.listing import Given, list_slides
from augengine.tiling.opened import TileWorkerSpec
from augengine.tiling.planning import make_jobs
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey
from augengine.tiling.surveyor import open_listed, survey_slide
from augengine.tiling.worker import TileWorker
from benchmarks.machine import machine_facts, versions
from benchmarks.rounds import ratio

RESULT = Path(__file__).parent / "results" / "tiles.json"

Contender = Callable[[], None]


def openslide_loop(survey: Survey, size: int) -> None:
    """What a user would write with OpenSlide; tiles at a level's own um/px."""
    slide = openslide.OpenSlide(survey.slide.path)  # as ours does, with nothing in its cache yet
    level = slide.get_best_level_for_downsample(survey.downsample + 1e-3)
    for place in survey.places:
        tile = slide.read_region((place.x, place.y), level, (size, size)).convert("RGB")
        encode_image(np.asarray(tile), "png")


def vips_loop(survey: Survey, size: int) -> None:
    """The same with libvips: a region's pixels of the level that has the wanted um/px."""
    page = round(np.log2(survey.downsample))
    region = pyvips.Region.new(pyvips.Image.new_from_file(survey.slide.path, page=page, revalidate=True))
    for place in survey.places:
        x, y = (round(corner / survey.downsample) for corner in (place.x, place.y))
        pixels = np.frombuffer(region.fetch(x, y, size, size), dtype=np.uint8).reshape(size, size, 3)
        encode_image(pixels, "png")


def our_worker(survey: Survey, spec: TileSpec, folder: str, threads: int, jobs: Sequence[Job]) -> None:
    """A worker that makes shards of the slide: read, encoded, with json and digests, written and published."""
    keys = {survey.slide.path: survey.slide.key}
    with closing(TileWorker(TileWorkerSpec(target=folder, spec=spec, keys=keys, threads=threads))) as worker:
        for report in [worker.submit(job) for job in jobs]:
            assert not report.result().error, report.result().error


def in_processes(pool: Executor, calls: Sequence[Contender]) -> Contender:
    """All calls at once, a process each."""

    def run() -> None:
        for call in [pool.submit(call) for call in calls]:
            call.result()

    return run


def part(survey: Survey, number: int, count: int) -> Survey:
    """One of ``count`` parts of the slide's tiles."""
    share = -(-len(survey.places) // count)
    return replace(survey, places=survey.places[number * share : (number + 1) * share])


def contenders(survey: Survey, spec: TileSpec, folder: str, pool: Executor) -> dict[str, Contender]:
    """The loops that can read this slide at this um/px without resampling, and ours."""
    with open_listed(survey.slide) as slide:
        peer = vips_loop if slide.format == "tiff" else openslide_loop
    cores = cpu_threads()
    jobs = make_jobs([survey], spec, -(-len(survey.places) // cores))
    ours = partial(our_worker, survey, spec, folder)
    loops = [partial(peer, part(survey, number, cores), spec.size) for number in range(cores)]
    return {
        "bare loop over OpenSlide": partial(openslide_loop, survey, spec.size),
        **({"bare loop over libvips": partial(vips_loop, survey, spec.size)} if peer is vips_loop else {}),
        "ours, 1 thread": partial(ours, 1, jobs),
        f"ours, {cores} threads": partial(ours, cores, jobs),
        f"bare loop, {cores} processes": in_processes(pool, loops),
        f"ours, {cores} processes": in_processes(pool, [partial(ours, 1, [job]) for job in jobs]),
    }


Measured = dict[str, list[float]]


def measure(runs: dict[str, Contender], tiles: int, rounds: int) -> tuple[Measured, Measured]:
    """Tiles a second, and this process's CPU milliseconds a tile; a value a round, after one that does not count."""
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
    seconds = {name: [1 / rate for rate in values] for name, values in rates.items()}
    peer = seconds.get("bare loop over libvips", seconds["bare loop over OpenSlide"])
    *_, one, threads, loops, processes = seconds.values()
    return {
        "slide": Path(survey.slide.path).name,
        "format": survey.format,
        "tiles": len(survey.places),
        "mpp": survey.mpp,
        "tiles_per_second": {name: round(statistics.median(values), 1) for name, values in rates.items()},
        "all_rounds": {name: [round(value, 1) for value in values] for name, values in rates.items()},
        "cpu_ms_a_tile": {
            name: round(statistics.median(values), 2) for name, values in costs.items() if "processes" not in name
        },
        "ours_over_bare_loop_one_thread": ratio(one, peer),
        "ours_over_bare_loop_all_processes": ratio(processes, loops),
        "all_threads_over_one": ratio(threads, one),
        "all_processes_over_one": ratio(processes, one),
        "bare_loop_all_processes_over_one": ratio(loops, peer),
    }


def bench(name: str, spec: TileSpec, rounds: int) -> dict[str, Any]:
    """One slide's result."""
    (listed,) = list_slides([name], Given()).slides
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(cpu_threads(), spawn) as pool:
        survey = survey_slide(listed, spec, Path(folder))
        assert not survey.error, survey.error
        runs = contenders(survey, spec, folder, pool)
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
        "machine": machine_facts(),
        "versions": versions(("augengine", "openslide-bin", "pyvips-binary")),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write("".join(json.dumps(each["tiles_per_second"]) + "\n" for each in found))


if __name__ == "__main__":
    main()
