"""``python -m benchmarks.int8_error --case NAME STAIN IN JUDGES ... --out FILE``: what int8 costs, range by range.

Every residual block of both generators runs in int8, the rest in the machine's 16-bit type. Each row takes the ranges
of the activations in another way, and says which noise the error of going there and back equals. Rows of ``half`` take
their ranges from every second tile and are judged on the others. IN is where ranges are measured and JUDGES where the
error is; they are the same folder, unless one asks what ranges of one look are worth on another.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augengine.chain.pair import Int8Forms
from augengine.compiling import BuiltPair, Tiles, compile_pairs, load_pair
from augengine.compiling.pairs import build_pair
from augengine.engines._openvino import OpenVinoBackend, core, settings
from augengine.engines.fidelity import FloatBatch, Judge
from augengine.engines.int8_form import Int8Convolution, Int8Form
from augengine.engines.onnx_int8 import with_peaks
from augengine.engines.onnx_types import fix_shape, read_model, to_bytes, to_float32
from augengine.engines.store import EngineStore
from augengine.sources import open_source
from augengine.spec import Precision
from augengine.stains import find_stain
from augengine.storage.atomic import write_whole
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from benchmarks.machine import machine_facts, versions

SIDE = 256
COUNT = 16
"""Most tiles of a case."""

Magnitudes = dict[str, np.ndarray]
"""Weight's name -> magnitudes of its input, float32 (T, C, H, W)."""

Peaks = Callable[[np.ndarray], np.ndarray]
"""Magnitudes of one input, (T, C, H, W) -> the peak of each channel, (C,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to take ranges.

    Attributes:
        name: For the table.
        peaks: How.
        half: Ranges from every second tile, judged on the others.
        elsewhere: Also a row where the tiles of another folder judge.
    """

    name: str
    peaks: Peaks
    half: bool = False
    elsewhere: bool = False


def one_range(percent: float) -> Peaks:
    """One range for all channels of a convolution: the value that so many percent of all do not exceed."""
    return lambda seen: np.full(seen.shape[1], np.percentile(seen, percent))


def each_channel(margin: float, floor: float) -> Peaks:
    """A range for each channel, times a margin; at least a share of the largest."""

    def peaks(seen: np.ndarray) -> np.ndarray:
        largest = seen.max(axis=(0, 2, 3))
        return np.asarray(margin * np.maximum(largest, floor * largest.max()))

    return peaks


def _ways() -> Iterator[Way]:
    for percent in (100, 99.999, 99.99):
        yield Way(name=f"one range, {percent:g} %", peaks=one_range(percent), elsewhere=True)
    for margin in (1.0, 1.25, 1.5):
        for floor in (0.0, 0.25, 0.5):
            peaks, name = each_channel(margin, floor), f"a range a channel, times {margin:g}, floor {floor:g}"
            yield Way(name=name, peaks=peaks, elsewhere=True)
            yield Way(name=f"half: {name}", peaks=peaks, half=True)


WAYS = tuple(_ways())


def measure(stain: str, folder: str, judges: str, work: Path) -> dict[str, Any]:
    """All rows of a case; where others judge, only those of the ways that take all tiles for their ranges."""
    tiles, judging = _tiles(stain, folder), _tiles(stain, judges)
    weights, backend, store = find_weights("pas", stain, weight_roots()), OpenVinoBackend(), EngineStore(work)
    pairs = compile_pairs(weights, backend, store, height=SIDE, width=SIDE)
    exact = load_pair(pairs[-1], store)
    whole, half, others = Judge(exact, tiles), Judge(exact, tiles[1::2]), Judge(exact, judging)
    seen = [_magnitudes(weights.to_reference, tiles), _magnitudes(weights.from_reference, whole.a_nchw)]
    elsewhere = folder != judges
    rows: dict[str, float] = {str(pair.precision): _row(others, pair, store) for pair in pairs[:-1]}
    for way in (way for way in WAYS if way.elsewhere or not elsewhere):
        pair = build_pair(
            weights, backend, store, "int8", (SIDE, SIDE), lambda _: None, _forms(seen, way, pairs[0].precision)
        )
        rows[way.name] = _row(others if elsewhere else half if way.half else whole, pair, store)
        print(way.name, rows[way.name], flush=True)
    exact.close()
    return {"tiles": len(tiles), "judges": len(judging), "weights": dict(weights.digests), "rows": rows}


def _tiles(stain: str, folder: str) -> FloatBatch:
    source = open_source(folder, stain=stain)
    tiles = Tiles(source=source, listing=source.scan(), stain=find_stain(stain)).take(COUNT, SIDE, SIDE)
    assert tiles is not None
    return tiles


def _row(judge: Judge, pair: BuiltPair, store: EngineStore) -> float:
    candidate = load_pair(pair, store)
    try:
        return float(f"{min(judge.budget(candidate, pair.precision).equivalent_sigma, 1.0):.3g}")
    finally:
        candidate.close()


def _forms(seen: list[Magnitudes], way: Way, others: Precision) -> Int8Forms:
    step = 2 if way.half else 1
    there, back = (
        Int8Form(
            convolutions=tuple(
                Int8Convolution(weight=weight, peaks=tuple(np.maximum(way.peaks(each[::step]), 1e-6).tolist()))
                for weight, each in magnitudes.items()
            ),
            others=others,
        )
        for magnitudes in seen
    )
    return there, back


def _magnitudes(onnx_file: Path, x_nchw: FloatBatch) -> Magnitudes:
    model, weights = with_peaks(fix_shape(to_float32(read_model(onnx_file)), 1, SIDE, SIDE))
    for weight in weights:
        model.graph.output.add().name = f"{weight}.abs"
    compiled = core().compile_model(core().read_model(to_bytes(model)), "CPU", settings("float32", 1))
    request = compiled.create_infer_request()
    found = [{weight: request.infer({0: x[None]})[f"{weight}.abs"][0] for weight in weights} for x in x_nchw]
    return {weight: np.stack([each[weight] for each in found]) for weight in weights}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("NAME", "STAIN", "IN", "JUDGES")
    parser.add_argument("--case", nargs=4, action="append", required=True, metavar=names)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        cases = {name: measure(stain, folder, judges, Path(work)) for name, stain, folder, judges in given.case}
    facts = {"machine": machine_facts(), "versions": versions(["openvino"]), "side": SIDE}
    write_whole(given.out, json.dumps({**facts, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
