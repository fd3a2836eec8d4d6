"""A long run while workers, nodes and the driver are killed: nothing lost, nothing doubled, nothing left behind.

Run: ``python -m benchmarks.soak`` (2000 shards), or with ``--shards 40``. It makes small tiles and a generator of
width 4, augments them undisturbed by one worker, then again over a Ray cluster of three nodes on this machine, where
every few seconds a worker gets SIGKILL or a node is removed and another added, and the driver is killed and started
anew twice. It exits with 1 if the second dataset differs from the first, and writes what it saw as json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from augengine.images import encode_image
from augengine.shards.verify import verify
from benchmarks.small_cluster import SmallCluster
from tests.datasets import digests, keys, leftovers
from tests.small_generator import write_small_pair

RESULT = Path(__file__).parent / "results" / "soak.json"
SIDE = 64
SAMPLES_PER_SHARD = 2
NODES = 3
DRIVER_KILLS = 2
MOST_GROWTH_MIB = 100.0
_POLL_SECONDS = 0.25
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Life:
    """One driver, from its start to its end.

    Attributes:
        marks: Shards committed, CPU seconds and MiB of the driver, whenever a shard was new.
        exit: Its status; negative for a signal.
    """

    marks: list[tuple[int, float, float]] = field(default_factory=list)
    exit: int | None = None

    def cpu_ms_per_shard(self) -> float | None:
        """From its first shard to its last: without start and end."""
        if len(self.marks) < 2 or self.marks[0][0] == self.marks[-1][0]:
            return None
        (first, cpu_before, _), (last, cpu_after, _) = self.marks[0], self.marks[-1]
        return round(1000 * (cpu_after - cpu_before) / (last - first), 2)

    def growth_mib(self) -> float:
        """Memory at the last shard over that at the first."""
        return round(self.marks[-1][2] - self.marks[0][2], 1) if self.marks else 0.0


@dataclass(slots=True)
class Seen:
    """What happened during a soak."""

    lives: list[Life] = field(default_factory=list)
    workers_killed: int = 0
    nodes_removed: int = 0
    worker_peaks_mib: list[float] = field(default_factory=list)
    """The largest worker at each kill."""


def write_tiles(folder: Path, count: int) -> Path:
    """Random 8-bit tiles: their content does not matter here, only their number."""
    folder.mkdir()
    pixels = np.random.default_rng(0)
    for i in range(count):
        tile = pixels.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        (folder / f"tile_{i:05d}.png").write_bytes(encode_image(tile, "png"))
    return folder


def command(folder: Path, out: Path, *options: str) -> list[str]:
    """`augengine augment` over the tiles."""
    words = [sys.executable, "-m", "augengine", "augment", "--stain", "cd68", "--eps", "0.05", "--mpp", "0.5"]
    words += ["--in", str(folder / "tiles"), "--out", str(out), "--weights", str(folder / "weights")]
    return [*words, "--samples-per-shard", str(SAMPLES_PER_SHARD), "--variants", "1", "--include-source", *options]


def soak(folder: Path, shards: int, every_seconds: float, seed: int) -> Seen:
    """Break things until the dataset is whole."""
    seen, out = Seen(), folder / "out"
    draw = random.Random(seed)  # noqa: S311 - no secret
    with SmallCluster(NODES) as cluster:
        while True:
            kill_at = (len(seen.lives) + 1) * shards // (DRIVER_KILLS + 1) if len(seen.lives) < DRIVER_KILLS else None
            with (folder / "driver.log").open("ab") as log:
                options = ["--workers", str(NODES), "--ray", cluster.address]
                driver = subprocess.Popen(command(folder, out, *options), stdout=log, stderr=log)
                life = Life()
                seen.lives.append(life)
                _watch(driver, life, kill_at, out, seen, cluster, draw, every_seconds)
            life.exit = driver.wait()
            if life.exit != -signal.SIGKILL or kill_at is None:
                return seen


def _watch(
    driver: subprocess.Popen[bytes],
    life: Life,
    kill_at: int | None,
    out: Path,
    seen: Seen,
    cluster: SmallCluster,
    draw: random.Random,
    every_seconds: float,
) -> None:
    next_fault = time.monotonic() + every_seconds
    while driver.poll() is None:
        time.sleep(_POLL_SECONDS)
        done = _committed(out)
        _mark(driver.pid, life, done)
        if kill_at is not None and done >= kill_at:
            driver.kill()
            return
        if time.monotonic() >= next_fault:
            _break(cluster, seen, draw)
            next_fault = time.monotonic() + every_seconds


def _break(cluster: SmallCluster, seen: Seen, draw: random.Random) -> None:
    workers = cluster.workers()
    seen.worker_peaks_mib += [round(max(_mib(pid) for pid in workers), 1)] if workers else []
    if draw.random() < 1 / 3:
        cluster.replace_node(draw)
        seen.nodes_removed += 1
    elif workers:
        os.kill(draw.choice(workers), signal.SIGKILL)
        seen.workers_killed += 1


def _committed(out: Path) -> int:
    return len(list((out / ".augengine").glob("cd68-*.json")))


def _mark(pid: int, life: Life, done: int) -> None:
    if done and (not life.marks or done > life.marks[-1][0]) and (mib := _mib(pid)):
        life.marks.append((done, _cpu_seconds(pid), mib))


def _mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB
    except (OSError, IndexError):
        return 0.0  # gone meanwhile


def _cpu_seconds(pid: int) -> float:
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, times)) / _TICKS


def judge(folder: Path, shards: int, seen: Seen) -> list[str]:
    """What is wrong with the soaked dataset, in sentences; empty if it is as it should be."""
    clean, out = digests(folder / "clean"), digests(folder / "out")
    expected = [f"tile_{i:05d}-v{v:04d}" for i in range(shards * SAMPLES_PER_SHARD) for v in (0, 1)]
    checks = {
        f"the last driver ended with {seen.lives[-1].exit}": seen.lives[-1].exit != 0,
        "some sample is missing, or there twice": sorted(keys(folder / "out")) != expected,
        "files differ from a clean run's, or in number": out != clean,
        f"files were left behind: {leftovers(folder / 'out')}": bool(leftovers(folder / "out")),
        "verify finds faults": not verify(folder / "out").ok,
        "the driver was not killed as often as planned": len(seen.lives) != DRIVER_KILLS + 1,
        "no worker was killed": not seen.workers_killed + seen.nodes_removed,
        "the driver's memory grows": any(life.growth_mib() > MOST_GROWTH_MIB for life in seen.lives),
    }
    return [sentence for sentence, is_so in checks.items() if is_so]


def report(arguments: argparse.Namespace, seen: Seen, wrong: list[str], seconds: dict[str, float]) -> dict[str, Any]:
    """The result, as plain json values."""
    lives = [
        {"shards": life.marks[-1][0] if life.marks else 0, "exit": life.exit}
        | {"cpu_ms_per_shard": life.cpu_ms_per_shard(), "growth_mib": life.growth_mib()}
        for life in seen.lives
    ]
    happened = {name: value for name, value in asdict(seen).items() if name != "lives"}
    options = f"--shards {arguments.shards} --every {arguments.every:g} --seed {arguments.seed}"
    return {
        "command": f"python -m benchmarks.soak {options}",
        "what": f"shards of {SAMPLES_PER_SHARD} samples, {SIDE} px, over {NODES} nodes with a worker each",
        "wrong": wrong,
        "drivers": lives,
        **happened,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "machine": {
            "cpu": platform.machine(),
            "cores": os.cpu_count(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
        "versions": {name: version(name) for name in ("augengine", "ray", "nvidia-dali-cuda130", "openvino")},
    }


def main() -> int:
    """Soak, judge, and write the result."""
    parser = argparse.ArgumentParser(description="augment while workers, nodes and the driver are killed")
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=0, help="of what is killed")
    parser.add_argument("--out", type=Path, default=RESULT, help="the json")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["AUGENGINE_HOME"] = str(folder / "home")
    write_tiles(folder / "tiles", arguments.shards * SAMPLES_PER_SHARD)
    write_small_pair(folder / "weights")
    began = time.monotonic()
    subprocess.run(command(folder, folder / "clean", "--workers", "1"), check=True, stdout=subprocess.DEVNULL)
    soaking = time.monotonic()
    seen = soak(folder, arguments.shards, arguments.every, arguments.seed)
    ended = time.monotonic()
    wrong = judge(folder, arguments.shards, seen)
    result = report(arguments, seen, wrong, {"clean": soaking - began, "soak": ended - soaking})
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result["wrong"] or "as a clean run") + "\n")
    if wrong:
        sys.stdout.write(f"the dataset and the driver's output stay in {folder}\n")
    else:
        shutil.rmtree(folder)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
