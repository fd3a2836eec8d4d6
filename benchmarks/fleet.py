"""Samples per second of two workers over Ray against one worker pinned to one core: what safety costs.

Run: ``python -m benchmarks.fleet``; ``--samples --side --variants --rounds --out`` choose what. A generator of width 4
augments drawn tissue, so that there is much to carry for little arithmetic. In each round, in turn: one worker in a
process of its own, pinned to the first core, with one thread; two of them, a core each, which know nothing of each
other and show what two cores can give to anybody; and two workers over Ray with one thread each, pinned to a core each,
while driver and Ray share these cores. Starts are not throughput: a rate is that between the end of the first shards
and of the last. Only an idle machine answers: Ray's workers run at nice 15 (RAY_worker_niceness), so that anything else
that runs takes their cores, not the others'. The median of the rounds' own ratios counts.
It writes ``benchmarks/results/fleet.json``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augengine.dataset import AugmentRequest
from augengine.dataset.crew import worker_spec
from augengine.dataset.engines import find_engines
from augengine.dataset.planning import make_plan
from augengine.dataset.resolve import resolve_pair
from augengine.dataset.spec import WorkerSpec
from augengine.dataset.worker import Worker
from augengine.fleet import run_local, run_ray
from augengine.jobs import Job, Report
from benchmarks.machine import machine_facts, versions
from tests.support.datasets import Listener
from tests.support.pictures import write_folder
from tests.support.small_generator import write_small_pair

RESULT = Path(__file__).parent / "results" / "fleet.json"
WORKERS = 2
BOUND = 0.95
_FIRST_SHARDS = 4
"""Two a worker: they come while engines load and caches fill."""


@dataclass(frozen=True, slots=True)
class Work:
    """The same for every contender.

    Attributes:
        jobs: One a shard, of equal size.
        worker: With one thread.
    """

    jobs: tuple[Job, ...]
    worker: WorkerSpec

    def into(self, target: Path) -> Work:
        """The same work, into another folder."""
        (target / ".augengine" / "spool").mkdir(parents=True)
        return replace(self, worker=replace(self.worker, target=str(target)))

    def part(self, number: int, count: int) -> Work:
        """One of ``count`` parts of the shards."""
        return replace(self, jobs=self.jobs[number::count])


def prepare(folder: Path, samples: int, side: int, variants: int, samples_per_shard: int) -> Work:
    """Tiles, weights, engines and jobs."""
    write_small_pair(folder / "weights")
    names = [f"tile_{i:05d}" for i in range(samples)]
    request = AugmentRequest(
        source=str(write_folder(folder / "tiles", names, height=side, width=side)),
        out=folder / "out",
        weights=folder / "weights",
        stain="cd68",
        eps=0.05,
        mpp=0.5,
        precision="float32",
        variants=variants,
        samples_per_shard=samples_per_shard,
    )
    run = resolve_pair(request, Listener())
    store, engines = find_engines(run, None, Listener())
    return Work(make_plan(run, engines).jobs, worker_spec(run, engines, store, threads=1))


def rate(reports: Iterable[Report], first: int) -> float:
    """Samples a second, from the end of the ``first`` shards to that of the last."""
    ends, samples = [], []
    for report in reports:
        assert not report.error, report.error
        ends.append(time.perf_counter())
        samples.append(report.samples_in)
    return sum(samples[first:]) / (ends[-1] - ends[first - 1])


def pinned(work: Work, core: int) -> float:
    """One worker in this very process, on one core."""
    os.sched_setaffinity(0, {core})
    with closing(run_local(work.jobs, work.worker, Worker)) as reports:
        return rate(reports, _FIRST_SHARDS // WORKERS)


def alone(work: Work, cores: Sequence[int], folder: Path) -> float:
    """Samples per second of as many processes as cores, each with its part of the work, added up."""
    spawn = multiprocessing.get_context("spawn")
    parts = [work.part(number, WORKERS).into(folder / str(core)) for number, core in enumerate(cores)]
    with ProcessPoolExecutor(len(cores), spawn) as pool:
        return sum(pool.map(pinned, parts, cores))


def over_ray(work: Work, folder: Path) -> float:
    """Two workers over Ray."""
    work = work.into(folder)
    with closing(run_ray(work.jobs, work.worker, Worker, workers=WORKERS)) as reports:
        return rate(reports, _FIRST_SHARDS)


def one_round(work: Work, cores: Sequence[int]) -> dict[str, float]:
    """Each contender once, into folders of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "one_pinned": alone(work, cores[:1], folder / "one"),
            "two_pinned_apart": alone(work, cores, folder / "two"),
            "two_over_ray": over_ray(work, folder / "ray"),
        }


def summarise(rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    """The rounds' rates and ratios, and the medians of the ratios, for a machine's speed drifts from round to round."""
    twice = [each["two_over_ray"] / (2 * each["one_pinned"]) for each in rounds]
    apart = [each["two_over_ray"] / each["two_pinned_apart"] for each in rounds]
    return {
        "samples_per_second": [{name: round(value, 2) for name, value in each.items()} for each in rounds],
        "ray_over_twice_one_pinned": [round(value, 3) for value in twice],
        "ray_over_two_pinned_apart": [round(value, 3) for value in apart],
        "median_over_twice_one_pinned": round(statistics.median(twice), 3),
        "median_over_two_pinned_apart": round(statistics.median(apart), 3),
        "bound": BOUND,
        "holds": statistics.median(twice) >= BOUND,
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet")
    defaults = {"samples": 480, "side": 256, "variants": 2, "samples-per-shard": 4, "rounds": 5}
    for option, default in defaults.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:WORKERS]
    with tempfile.TemporaryDirectory() as name:
        os.environ["AUGENGINE_HOME"] = str(Path(name, "home"))
        work = prepare(Path(name), chosen.samples, chosen.side, chosen.variants, chosen.samples_per_shard)
        one_round(work, cores)  # does not count
        found = summarise([one_round(work, cores) for _ in range(chosen.rounds)])
    options = " ".join(f"--{option} {getattr(chosen, option.replace('-', '_'))}" for option in defaults)
    result = {
        "command": f"python -m benchmarks.fleet {options}",
        "what": "source samples a second, starts left aside; contenders in turn; ratios of each round, and medians",
        **found,
        "machine": machine_facts(),
        "versions": versions(("augengine", "openvino", "ray")),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
