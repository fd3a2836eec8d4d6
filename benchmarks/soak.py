"""A long run while workers, nodes and the driver are killed: nothing lost, nothing doubled, nothing left behind.

Run: ``python -m benchmarks.soak`` (2000 shards), or with ``--shards 40``; ``--store s3`` writes to an S3 server on
loopback that fails, is slow, breaks off and loses answers. It makes small tiles and a generator of
width 4, augments them undisturbed by one worker, then again over a Ray cluster of three nodes on this machine, where
every few seconds a worker gets SIGKILL or a node is removed and another added, and the driver is killed and started
anew twice. It exits with 1 if the second dataset differs from the first, and writes what it saw as json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from augengine.pictures.encode import encode_image
from augengine.shards.verify import verify
from augengine.storage import AnyPath, names
from benchmarks.augment_line import AUGMENT
from benchmarks.machine import machine_facts, versions
from benchmarks.small_cluster import SmallCluster
from benchmarks.soak_seen import Life, Seen, resident_mib
from benchmarks.soak_store import Target, stale_spools, target
from tests.support.datasets import digests, keys, leftovers
from tests.support.small_generator import write_small_pair

RESULTS = Path(__file__).parent / "results"
SIDE = 64
NODES = 3
DRIVER_KILLS = 2
_POLL_SECONDS = 0.25


def write_tiles(folder: Path, count: int) -> Path:
    """Random 8-bit tiles: their content does not matter here, only their number."""
    folder.mkdir()
    pixels = np.random.default_rng(0)
    for i in range(count):
        tile = pixels.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        (folder / f"tile_{i:05d}.png").write_bytes(encode_image(tile, "png"))
    return folder


def command(folder: Path, out: AnyPath, samples: int, *options: str) -> list[str]:
    """`augengine augment` over the tiles, so many to a shard."""
    words = [*AUGMENT]
    words += ["--in", str(folder / "tiles"), "--out", str(out), "--weights", str(folder / "weights")]
    return [*words, "--samples-per-shard", str(samples), "--variants", "1", "--include-source", *options]


class Soak:
    """Breaks things until the dataset is whole.

    Args:
        folder: Holds the tiles and the weights.
        out: Where the dataset goes.
        shards: How many.
        samples: Source samples per shard.
        every_seconds: Seconds between two faults.
        seed: Random seed of what is killed.
    """

    def __init__(
        self, folder: Path, out: AnyPath, *, shards: int, samples: int, every_seconds: float, seed: int
    ) -> None:
        self._folder = folder
        self._out = out
        self._shards = shards
        self._samples = samples
        self._every_seconds = every_seconds
        self._draw = random.Random(seed)  # noqa: S311 - no secret
        self._seen = Seen()

    def run(self) -> Seen:
        """The last driver is left to come to its end; those before are killed after equal parts of the work."""
        with SmallCluster(NODES) as cluster:
            for kill in range(1, DRIVER_KILLS + 1):
                self._live(cluster, kill * self._shards // (DRIVER_KILLS + 1))
            self._live(cluster, None)
        return self._seen

    def _live(self, cluster: SmallCluster, kill_at: int | None) -> None:
        options = ["--workers", str(NODES), "--ray", cluster.address]
        life = Life(before=_committed(self._out))
        self._seen.lives.append(life)
        with (self._folder / "driver.log").open("ab") as log:
            words = command(self._folder, self._out, self._samples, *options)
            driver = subprocess.Popen(words, stdout=log, stderr=log)
            self._watch(driver, life, kill_at, cluster)
        life.exit = driver.wait()

    def _watch(self, driver: subprocess.Popen[bytes], life: Life, kill_at: int | None, cluster: SmallCluster) -> None:
        next_fault = time.monotonic() + self._every_seconds
        while driver.poll() is None:
            time.sleep(_POLL_SECONDS)
            done = _committed(self._out)
            life.mark(driver.pid, done)
            if kill_at is not None and done >= kill_at:
                driver.kill()
                return
            if time.monotonic() >= next_fault:
                self._break(cluster)
                next_fault = time.monotonic() + self._every_seconds

    def _break(self, cluster: SmallCluster) -> None:
        workers, seen = cluster.workers(), self._seen
        if workers:
            seen.largest_worker_mib.append(round(max(resident_mib(pid) for pid in workers), 1))
        if self._draw.random() < 1 / 3:
            cluster.replace_node(self._draw)
            seen.nodes_removed += 1
        elif workers:
            os.kill(self._draw.choice(workers), signal.SIGKILL)
            seen.workers_killed += 1


def _committed(out: AnyPath) -> int:
    return sum(name.startswith("cd68-") for name in names(out / ".augengine"))


def judge(folder: Path, soaked: Target, samples: int, seen: Seen) -> list[str]:
    """What is wrong with the soaked dataset, in sentences; empty if it is as it should be."""
    out = soaked.out
    left = leftovers(out) + (stale_spools() if soaked.server else [])
    expected = [f"tile_{i:05d}-v{v:04d}" for i in range(samples) for v in (0, 1)]
    checks = {
        f"the last driver ended with {seen.lives[-1].exit}": seen.lives[-1].exit != 0,
        "some sample is missing, or there twice": sorted(keys(out)) != expected,
        "files differ from a clean run's, or in number": digests(out) != digests(folder / "clean"),
        f"files were left behind: {left}": bool(left),
        "verify finds faults": not verify(out).ok,
        "the store had no fault": soaked.server is not None and not soaked.faults,
        "a driver ended before it was killed": any(life.exit != -signal.SIGKILL for life in seen.lives[:-1]),
        "no worker was killed": not seen.workers_killed + seen.nodes_removed,
        **seen.grew(),
    }
    return [sentence for sentence, is_so in checks.items() if is_so]


def report(
    arguments: argparse.Namespace, seen: Seen, soaked: Target, wrong: list[str], seconds: dict[str, float]
) -> dict[str, Any]:
    """The result, as plain json values."""
    lives = [life.to_json() for life in seen.lives]
    happened = {
        "workers_killed": seen.workers_killed,
        "nodes_removed": seen.nodes_removed,
        "largest_worker_mib": seen.largest_worker_mib,
        "worker_growth_mib": seen.worker_growth_mib(),
    }
    options = "--store s3 " if soaked.server else ""
    options += f"--shards {arguments.shards} --samples {arguments.samples} "
    options += f"--every {arguments.every:g} --seed {arguments.seed}"
    return {
        "command": f"python -m benchmarks.soak {options}",
        "what": f"shards of {arguments.samples} tiles and their variants, {SIDE} px; {NODES} nodes with a worker each",
        "wrong": wrong,
        "drivers": lives,
        **happened,
        **soaked.to_json(),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "machine": machine_facts(),
        "versions": versions(("augengine", "ray", "nvidia-dali-cuda130", "openvino")),
    }


def main() -> int:
    """Soak, judge, and write the result."""
    parser = argparse.ArgumentParser(description="augment while workers, nodes and the driver are killed")
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=2, help="in each shard; a variant of each comes beside it")
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=0, help="of what is killed")
    parser.add_argument("--store", choices=("disk", "s3"), default="disk", help="where the dataset goes")
    parser.add_argument("--out", type=Path, help="the json; by default in benchmarks/results")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["AUGENGINE_HOME"] = str(folder / "home")
    write_tiles(folder / "tiles", arguments.shards * arguments.samples)
    write_small_pair(folder / "weights")
    result = _soak(folder, arguments)
    name = "soak.json" if arguments.store == "disk" else f"soak-{arguments.store}.json"
    file = arguments.out or RESULTS / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result["wrong"] or "as a clean run") + "\n")
    if result["wrong"]:
        sys.stdout.write(f"the dataset and the driver's output stay in {folder}\n")
    else:
        shutil.rmtree(folder)
    return bool(result["wrong"])


def _soak(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    clean = command(folder, folder / "clean", arguments.samples, "--workers", "1")
    subprocess.run(clean, check=True, stdout=subprocess.DEVNULL)
    soaking = time.monotonic()
    with target(arguments.store, folder, arguments.seed) as soaked:
        size = {"shards": arguments.shards, "samples": arguments.samples}
        seen = Soak(folder, soaked.out, **size, every_seconds=arguments.every, seed=arguments.seed).run()
        ended = time.monotonic()
        soaked.heal()
        wrong = judge(folder, soaked, arguments.shards * arguments.samples, seen)
        return report(arguments, seen, soaked, wrong, {"clean": soaking - began, "soak": ended - soaking})


if __name__ == "__main__":
    sys.exit(main())
