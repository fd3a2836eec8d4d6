"""What `augengine.Augmenter` adds to the chain's own time for an image, and whether its memory stays flat.

Run: ``python -m benchmarks.augmenter``; ``--side --calls --rounds --memory-calls --out`` choose what. The image is a
tile of the sample set, and the pair is the one that knows it. The contenders take turns: `Augmenter` with an array, and
the very chain that it holds, with the image encoded beforehand. It writes ``benchmarks/results/augmenter.json``.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from functools import partial
from pathlib import Path
from typing import Any

from augengine import Augmenter
from augengine.chain.base import Request, Variants
from augengine.dataset.open_pair import OpenPair
from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image
from augengine.pictures.images import Decoder
from augengine.sample import Sample
from augengine.shards import read_tar
from augengine.sources.sample_set import STAIN, TAR
from augengine.weights.home import SAMPLE_WEIGHTS
from benchmarks.machine import machine_facts, versions
from benchmarks.rounds import Contender, interleave, ratio, row

RESULT = Path(__file__).parent / "results" / "augmenter.json"
OURS, CHAIN = "Augmenter", "chain"
_KEY = "tile"


def tile(side: int) -> RgbImage:
    """The upper left of the sample set's first tile, uint8 (side, side, 3)."""
    (sample,) = read_tar(str(TAR), 0, 1, {})
    assert isinstance(sample, Sample)
    (pixels,) = Decoder(threads=1, max_side=4096).decode([sample.image])
    assert not isinstance(pixels, Exception)
    return pixels[:side, :side].copy()


def call_augmenter(augment: Augmenter, image: RgbImage, calls: int) -> None:
    """One variant, again and again."""
    for _ in range(calls):
        augment(image, key=_KEY)


def call_chain(pair: OpenPair, request: Request, calls: int) -> None:
    """The same by the chain alone."""
    chain = pair.chain(1)
    for _ in range(calls):
        chain.put([request])
        (outcome,) = chain.get()
        assert isinstance(outcome, Variants)


def grown_mib(augment: Augmenter, image: RgbImage, calls: int) -> float:
    """How much the process's peak memory grows over many calls, MiB, after some that do not count."""
    call_augmenter(augment, image, max(1, calls // 10))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call_augmenter(augment, image, calls)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def measure(side: int, calls: int, rounds: int, memory_calls: int) -> dict[str, Any]:
    """The result as plain json values."""
    image = tile(side)
    request = Request(key=_KEY, image=encode_image(image, "png"))
    with Augmenter(STAIN, weights=SAMPLE_WEIGHTS) as augment:
        augment(image, key=_KEY)
        pair = augment.pair_for(image)
        assert isinstance(pair, OpenPair)
        both = [
            Contender(name=OURS, run=partial(call_augmenter, augment, image, calls), images=calls),
            Contender(name=CHAIN, run=partial(call_chain, pair, request, calls), images=calls),
        ]
        seconds = interleave(both, rounds)
        grown = grown_mib(augment, image[:64, :64], memory_calls)
    return {
        "rows": {each.name: row(each, seconds[each.name], {}) for each in both},
        "augmenter_over_chain_seconds": 1 / ratio(seconds[OURS], seconds[CHAIN]),
        "grown_mib": round(grown, 1),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmenter")
    for name, default in (("side", 256), ("calls", 8), ("rounds", 7), ("memory-calls", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    sizes = {name: getattr(chosen, name) for name in ("side", "calls", "rounds", "memory_calls")}
    result = {
        "command": "python -m benchmarks.augmenter",
        "what": "one variant of one image per call; memory over calls with an image of 64 px",
        **sizes,
        **measure(**sizes),
        "machine": machine_facts(),
        "versions": versions(("augengine", "openvino", "nvidia-dali-cuda130")),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    shown = {name: result[name] for name in ("rows", "augmenter_over_chain_seconds", "grown_mib")}
    sys.stdout.write(json.dumps(shown) + "\n")


if __name__ == "__main__":
    main()
