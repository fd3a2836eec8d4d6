"""What 1, 8, 64 and 1024 GPUs need around them: reading, writing, cores, control traffic, storage, cost.

Run: ``python -m benchmarks.scaling``; ``--tflops --variants --side --gpu-hour`` change what is assumed. Sizes and rates
of one core are measured here, on drawn CD68 fields; the driver's time a shard comes from the stored soaks; the
arithmetic of a pass is counted; the rate of a GPU is assumed, and said to be. It writes
``benchmarks/results/scaling.json`` and the tables of ``docs/notes/scaling.md``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image, encode_pixels
from augengine.pictures.images import Decoder
from augengine.runs.planning import SHARD_BYTES
from augengine.shards.counted import count_pixels
from augengine.spec import ImageFormat
from benchmarks.machine import machine_facts, versions
from benchmarks.pages import fill
from benchmarks.rounds import Contender, interleave
from benchmarks.speed.material import Material, Size

RESULTS = Path(__file__).parent / "results"
RESULT = RESULTS / "scaling.json"
HOST = RESULTS / "host_cost.json"
SOAKS = (RESULTS / "soak.json", RESULTS / "soak-s3.json")
PAGE = Path(__file__).parents[1] / "docs" / "notes/scaling.md"
GPUS = (1, 8, 64, 1024)
FORMATS: tuple[ImageFormat, ...] = ("png", "jpg")
PAPERS_VARIANTS = 526_750
"""Every epoch's variant of every patch of the paper's full schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One image format on one core.

    Attributes:
        encoded_bytes: Mean size of an image.
        encoded_per_second: Variants that one core encodes, sums up and hashes; a lossy one is decoded for the sums.
        decoded_per_second: Images, one core.
    """

    encoded_bytes: float
    encoded_per_second: float
    decoded_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is not measured here.

    Attributes:
        tflops: What an engine reaches on one GPU, 10^12 operations a second.
        gpu_hour: Price of a GPU with its share of cores, in any currency.
        driver_ms: The driver's CPU time a shard, milliseconds; that of a soak's dearest driver, unless said.
        variants: K.
        gflop: Arithmetic of a pass, 10^9 operations.
    """

    tflops: float
    gpu_hour: float
    driver_ms: float
    variants: int
    gflop: float

    @property
    def variants_per_second(self) -> float:
        """Variants that one GPU makes per second: K variants cost 1 + K passes."""
        return self.tflops * 1000 / (self.gflop * (1 + self.variants) / self.variants)


def needs(gpus: int, assumed: Assumed, measured: Measured) -> dict[str, float]:
    """What so many GPUs need: megabytes a second, cores, share of the driver's core, hours."""
    rate = gpus * assumed.variants_per_second
    shards = rate * measured.encoded_bytes / SHARD_BYTES
    hours = PAPERS_VARIANTS / rate / 3600
    found = {
        "variants_per_second": rate,
        "read_mb_per_second": rate / assumed.variants * measured.encoded_bytes / 1e6,
        "written_mb_per_second": rate * measured.encoded_bytes / 1e6,
        "cores": rate / measured.encoded_per_second + rate / assumed.variants / measured.decoded_per_second,
        "shards_per_second": shards,
        "driver_core": shards * assumed.driver_ms / 1000,
        "papers_schedule_hours": hours,
        "cost_per_1000_variants": assumed.gpu_hour * gpus / rate / 3.6,
    }
    return {name: float(f"{value:.3g}") for name, value in found.items()}


def driver_ms(soaks: Sequence[Path] = SOAKS) -> float:
    """CPU milliseconds a shard of the dearest driver in stored soaks: ``make soak`` measures them."""
    lives = [life for file in soaks for life in json.loads(file.read_text(encoding="utf-8"))["drivers"]]
    return max(float(life["cpu_ms_per_shard"] or 0.0) for life in lives)


def measure(material: Material, rounds: int) -> dict[str, Measured]:
    """Every format on one core."""
    return {name: _measure(material, name, rounds) for name in FORMATS}


def _measure(material: Material, image_format: ImageFormat, rounds: int) -> Measured:
    decoder = Decoder(threads=1, max_side=material.size.side)
    encoded = [encode_image(tile, image_format) for tile in material.tiles]
    runs: dict[str, Callable[[], object]] = {
        "encode": lambda: [_finish(tile, image_format) for tile in material.tiles],
        "decode": partial(decoder.decode, encoded),
    }
    contenders = [Contender(name=name, run=run, images=len(encoded)) for name, run in runs.items()]
    seconds = interleave(contenders, rounds)
    encoding, decoding = (len(encoded) / statistics.median(seconds[name]) for name in runs)
    return Measured(
        encoded_bytes=round(statistics.mean(map(len, encoded))),
        encoded_per_second=round(encoding, 1),
        decoded_per_second=round(decoding, 1),
    )


def _finish(tile: RgbImage, image_format: ImageFormat) -> bytes:
    """What a core does to a variant behind the engine; its digest."""
    data, pixels = encode_pixels(tile, image_format)
    count_pixels(pixels, {})
    return sha256(data).digest()


def feeding(host: Sequence[Mapping[str, Any]], gflops: Mapping[int, float], tflops: float) -> str:
    """What feeds one GPU, as Markdown: cores, and processes, since one process holds Python's lock once.

    Args:
        host: The rows of `benchmarks.host_cost`.
        gflops: Side -> arithmetic of a pass, 10^9 operations.
        tflops: What an engine reaches on the GPU, 10^12 operations a second.
    """
    heads = ("side, format", "sources/s", "CPU ms a source", "cores", "ms with Python's lock", "processes")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in host:
        sources = 1000 * tflops / (gflops[row["side"]] * (1 + row["variants"]))
        spent, locked = sum(row["threads_ms"].values()), row["with_the_lock_ms"]
        cells = (f"{row['side']} px, {row['format'].upper()}", f"{sources:.0f}", f"{spent:.1f}")
        cores, processes = sources * spent / 1000, sources * locked / 1000
        lines.append("| " + " | ".join((*cells, f"{cores:.1f}", f"{locked:.2f}", f"{processes:.1f}")) + " |")
    return "\n".join(lines)


def table(result: dict[str, Any]) -> str:
    """The needs of every format as Markdown."""
    head = "| GPUs | variants/s | read MB/s | written MB/s | cores | shards/s | driver's core | paper's schedule, h |"
    lines = []
    for name, of_format in result["needs"].items():
        lines += [f"{name.upper()}, {result['measured'][name]['encoded_bytes'] / 1000:.0f} kB an image:", ""]
        lines += [head, "|" + "---|" * 8]
        for gpus, each in of_format.items():
            shown = [value for key, value in each.items() if not key.startswith("cost")]
            lines.append(f"| {gpus} | " + " | ".join(f"{value:,g}" for value in shown) + " |")
        lines += ["", _sums(result, name), ""]
    return "\n".join(lines).rstrip()


def _gflops(host: Sequence[Mapping[str, Any]], width: int) -> dict[int, float]:
    sides = {row["side"] for row in host}
    return {
        side: Material(size=Size(side=side, width=width, blocks=9, images=1), folder=Path(), threads=1).gflop
        for side in sides
    }


def _sums(result: dict[str, Any], name: str) -> str:
    gigabytes, hour = result["papers_schedule_gb"][name], result["assumed"]["gpu_hour"]
    cost = result["needs"][name]["1"]["cost_per_1000_variants"]
    schedule = f"The paper's schedule of {PAPERS_VARIANTS:,} variants: {gigabytes:g} GB"
    return f"{schedule}. 1000 variants cost {cost:g} at {hour:g} a GPU and hour, on however many."


def main() -> None:
    """Measure, reckon, and write result and tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    for name, default in (("tflops", 500.0), ("gpu-hour", 3.0), ("driver-ms", driver_ms())):
        parser.add_argument(f"--{name}", type=float, default=default)
    for name, count in (("variants", 4), ("side", 508), ("width", 64), ("images", 16), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    size = Size(side=chosen.side, width=chosen.width, blocks=9, images=chosen.images)
    material = Material(size=size, folder=Path(), threads=1)
    measured = measure(material, chosen.rounds)
    assumed = Assumed(
        tflops=chosen.tflops,
        gpu_hour=chosen.gpu_hour,
        driver_ms=chosen.driver_ms,
        variants=chosen.variants,
        gflop=material.gflop,
    )
    result: dict[str, Any] = {
        "command": "python -m benchmarks.scaling " + " ".join(sys.argv[1:]),
        "what": "what so many GPUs need; sizes and cores measured here, operations counted, the GPU's rate assumed",
        "assumed": asdict(assumed) | {"shard_bytes": SHARD_BYTES, "papers_variants": PAPERS_VARIANTS},
        "measured": {name: asdict(each) for name, each in measured.items()},
        "needs": {name: {str(gpus): needs(gpus, assumed, each) for gpus in GPUS} for name, each in measured.items()},
        "papers_schedule_gb": {
            name: round(PAPERS_VARIANTS * each.encoded_bytes / 1e9, 1) for name, each in measured.items()
        },
        "machine": machine_facts(),
        "versions": versions(("augengine", "opencv-python-headless", "nvidia-nvimgcodec-cu13", "torch")),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    fill(chosen.page, "benchmarks/results/scaling.json", table(result))
    host = json.loads(HOST.read_text(encoding="utf-8"))["rows"]
    fill(chosen.page, "benchmarks/results/host_cost.json", feeding(host, _gflops(host, chosen.width), chosen.tflops))
    sys.stdout.write(table(result) + "\n")


if __name__ == "__main__":
    main()
