"""Measure one size, or several, and write ``benchmarks/results/speed.json``; see docs/notes/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import torch

from augengine.chain import ChainName
from augengine.machine import cpu_threads
from augengine.spec import Precision
from benchmarks.machine import machine_facts, versions
from benchmarks.rounds import Contender, Seconds, first_call, interleave, ratio, row
from benchmarks.speed import RESULT
from benchmarks.speed.command import command_row
from benchmarks.speed.material import Material, Size, precisions
from benchmarks.speed.ours import chain, whole
from benchmarks.speed.passes import passes
from benchmarks.speed.peak import matrix_products, peaks
from benchmarks.speed.peers import peers
from benchmarks.speed.stages import stages
from benchmarks.speed.trained import trained_rows

_NUMBERS = (("width", 64), ("blocks", 9), ("images", 16), ("peer-images", 2), ("rounds", 5), ("peak-side", 2048))
CHAINS: tuple[ChainName, ...] = ("plain", "dali")
PACKAGES = ("augengine", "openvino", "nvidia-dali-cuda130", "torch", "onnxruntime", "opencv-python-headless")


def measure(size: Size, variants: int, rounds: int, peak_side: int, *, compiles: bool) -> dict[str, Any]:
    """Everything of one size and one K, in the same rounds."""
    torch._dynamo.reset()  # what was compiled for another size would make this one's shapes dynamic
    with tempfile.TemporaryDirectory() as name:
        os.environ["AUGENGINE_HOME"] = name
        material = Material(size=size, folder=Path(name), threads=cpu_threads())
        precision = precisions()[0]
        ceilings = [one for each in precisions() for one in matrix_products(each, peak_side, material.threads)]
        with ExitStack() as stack:
            engines = stack.enter_context(closing(material.engines(precision)))
            contenders = [
                *stages(material, engines, precision, variants),
                *(chain(each, material, engines, precision, variants, stack) for each in CHAINS),
                *whole(material, precision, variants, stack),
                *passes(material, native=precisions(), compiles=compiles, stack=stack),
                *peers(material, variants, native=precisions(), compiles=compiles),
            ]
            first = {each.name: first_call(each) for each in contenders}
            seconds = interleave([*ceilings, *contenders], rounds)
        found = summarise(size, variants, precision, ceilings, contenders, seconds)
        for name, own in found["rows"].items():
            own["first_call_s"] = first[name]
        return found | {"command": command_row(material, precision, variants)}


def summarise(
    size: Size,
    variants: int,
    precision: Precision,
    ceilings: list[Contender],
    contenders: list[Contender],
    seconds: Seconds,
) -> dict[str, Any]:
    """A size's rows, and the ratios that are promised."""
    highest = peaks(ceilings, seconds)
    rows = {each.name: row(each, seconds[each.name], highest) for each in contenders}
    an_image = {each.name: [value / each.images for value in seconds[each.name]] for each in contenders}
    by_start = {key: next(n for n in an_image if n.startswith(key)) for key in ("G_BA", "G_AB", "whole job,", "eager")}
    there, back, ours, eager = (an_image[name] for name in by_start.values())
    engine = [a + b for a, b in zip(there, back, strict=True)]
    return {
        "side": size.side,
        "width": size.width,
        "blocks": size.blocks,
        "images": size.images,
        "peer_images": size.peer_images,
        "variants": variants,
        "precision": precision,
        "weights": "random",
        "equivalent_sigma": "n/a",
        "peak_gflop_per_second": {name: round(value, 1) for name, value in highest.items()},
        "rows": rows,
        "whole_job_over_engine": ratio(ours, engine),
        "whole_job_over_eager_loop": ratio(ours, eager),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 508])
    parser.add_argument("--variants", type=int, nargs="+", default=[1, 4])
    for option, default in _NUMBERS:
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    compiles = not chosen.no_compile and shutil.which("g++") is not None
    shape = {name: getattr(chosen, name) for name in ("width", "blocks", "images", "peer_images")}
    sizes = [(Size(side=side, **shape), variants) for side in chosen.sides for variants in chosen.variants]
    never = [] if compiles else ["torch.compile: left out, or no C++ compiler here"]
    result: dict[str, Any] = {
        "command": "python -m benchmarks.speed " + " ".join(sys.argv[1:]),
        "what": "source images a second, medians and quartiles of interleaved rounds; K variants cost 1 + K passes",
        "sizes": [],
        "trained": {},
        "not_measured": never,
        "machine": machine_facts() | {"native": list(precisions())},
        "versions": versions(PACKAGES),
    }
    for side in chosen.sides:
        result["trained"][str(side)] = trained_rows(side, chosen.rounds)
    for number, (size, variants) in enumerate(sizes, start=1):
        found = measure(size, variants, chosen.rounds, chosen.peak_side, compiles=compiles)
        result["sizes"].append(found)
        # After each, since the large ones take long; what is broken off is named in what it leaves.
        to_come = [f"{each.side} px, K = {k}: not reached" for each, k in sizes[number:]]
        _write(result | {"not_measured": never + to_come}, chosen.out)
        sys.stdout.write(f"{size.side} px, K = {variants}: {json.dumps(found['rows'], indent=1)}\n")
        sys.stdout.flush()


def _write(result: dict[str, Any], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
