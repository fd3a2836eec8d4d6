"""What is aimed at, worked out from the parts that ran: shares of the ceiling, and ratios between parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ENGINE_OVER_CEILING = 0.6
JOB_OVER_ENGINE: Mapping[str, float] = {"jpg": 0.9, "png": 0.8}
JOB_OVER_EAGER = 10.0

Row = dict[str, Any]
_SAME = ("version", "precision", "side", "batch")


def add_shares(parts: Mapping[str, Any]) -> None:
    """Write into every row that computes its share of the matrix product in the same precision, if that was measured.

    Args:
        parts: Name -> what `benchmarks.gpu.part.attempt` gave; changed in place.
    """
    ceilings = _ceilings(parts)
    for each in _rows(parts):
        tflops = each.get("tflop_per_second", each.get("gflop_per_second", 0.0) / 1000)
        if tflops and ceilings.get(each.get("precision", "")):
            each["share_of_ceiling"] = round(tflops / ceilings[each["precision"]], 3)


def targets(parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every ratio that is aimed at and whose two sides were measured, with its aim and whether it is met."""
    return [*_engines(parts), *_jobs(parts)]


def _engines(parts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The best batch of each engine in float16 over the matrix product in float16."""
    ceiling = _ceilings(parts).get("float16")
    rows = [each for each in _rows(_result(parts, "engines")) if ceiling and each["precision"] == "float16"]
    for version, side in sorted({(each["version"], each["side"]) for each in rows}):
        own = [each for each in rows if (each["version"], each["side"]) == (version, side)]
        best = max(own, key=lambda each: float(each["tflop_per_second"]))
        share = best["tflop_per_second"] / ceiling
        yield _found(f"{version}, float16, batch {best['batch']}, over the product", side, share, ENGINE_OVER_CEILING)


def _jobs(parts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The whole job over the engines that it runs, and over the eager loop without TF32."""
    for side, rows in _result(parts, "job").items():
        eager = _starting(rows, "eager loop, TF32 off")
        for image_format, aim in JOB_OVER_ENGINE.items():
            ours = _starting(rows, f"whole job, {image_format}")
            if ours and (engine := _same_engine(parts, ours)):
                share = ours["images_per_second"] * (1 + ours["variants"]) / engine["images_per_second"]
                yield _found(f"job, {image_format}, over the engine", int(side), share, aim)
            if ours and eager:
                times = ours["images_per_second"] / eager["images_per_second"]
                yield _found(f"job, {image_format}, over the eager loop", int(side), times, JOB_OVER_EAGER)


def _same_engine(parts: Mapping[str, Any], ours: Row) -> Row | None:
    """The row of the engine that a job runs: of its version, precision, side and batch."""
    rows = _rows(_result(parts, "engines"))
    return next((each for each in rows if all(each[name] == ours[name] for name in _SAME)), None)


def _found(what: str, side: int, value: float, aim: float) -> dict[str, Any]:
    return {"what": what, "side": side, "value": round(value, 3), "aim": aim, "met": value >= aim}


def _starting(rows: Mapping[str, Row], start: str) -> Row | None:
    return next((each for name, each in rows.items() if name.startswith(start)), None)


def _rows(found: Any) -> Iterator[Row]:
    """Every row, however deep."""
    if isinstance(found, dict):
        if "images_per_second" in found:
            yield found
        for name, inside in found.items():
            if name != "tried":  # one small size of a package that does not list this GPU
                yield from _rows(inside)


def _ceilings(parts: Mapping[str, Any]) -> Mapping[str, float]:
    """Precision -> TFLOP/s of the matrix product; empty if it was not measured."""
    found: Mapping[str, float] = _result(parts, "ceilings").get("tflop_per_second", {})
    return found


def _result(parts: Mapping[str, Any], part: str) -> dict[str, Any]:
    found: dict[str, Any] = parts.get(part, {}).get("result", {})
    return found
