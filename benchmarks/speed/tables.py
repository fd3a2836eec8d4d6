"""The tables of docs/notes/performance.md, from a stored result: all rows, the targets, fidelity beside speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Numbers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What a number should be, and is aimed at; ``least`` or ``most`` bounds it.

    Attributes:
        least, aim: At least, and hoped for.
        most: At most.
    """

    least: float | None = None
    aim: float | None = None
    most: float | None = None

    def said(self) -> str:
        """The bounds as the table's second column says them."""
        return ", ".join(f"{value:g}" for value in (self.least, self.aim, self.most) if value is not None)

    def cell(self, value: float | None, digits: int) -> str:
        """The value, in bold where it misses."""
        if value is None:
            return ""
        low = self.least is not None and round(value, digits) < self.least
        high = self.most is not None and round(value, digits) > self.most
        return f"**{value:.{digits}f}**" if low or high else f"{value:.{digits}f}"


_ENGINE = Target(least=0.92, aim=0.98)
_WHOLE = Target(least=0.92, aim=0.97)
_EAGER = {1: Target(least=2.0, aim=2.3), 4: Target(least=3.2, aim=3.7)}
_FIRST = Target(most=15)
_OVER = {"whole job": ("whole job,", "torch.compile"), "pass": ("G_BA", "pass, torch.compile")}
_OVER |= {"pass, int8": ("pass, int8", "pass, torch.compile")}
"""What is compared -> how the name of our row begins, and how the names of the rival rows do."""


def rows_table(result: Numbers) -> str:
    """All rows of all sizes as Markdown."""
    started = any("first_call_s" in row for size in result["sizes"] for row in size["rows"].values())
    own = ["first call, s"] if started else []
    heads = ["size, K", "what", "images/s", "quartiles", "GFLOP/s", "of peak", *own, "its error equals noise of"]
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for size in result["sizes"]:
        for name, row in size["rows"].items():
            low, high = row["quartiles"]
            share = f"{row['share_of_peak']:.0%}" if "share_of_peak" in row else ""
            sigma = size["equivalent_sigma"] if "gflop_per_second" in row else ""
            cells = [_title(size), name, row["images_per_second"], f"{low} to {high}"]
            first = [row.get("first_call_s", "")] if started else []
            lines.append(_line([*cells, row.get("gflop_per_second", ""), share, *first, sigma]))
    return "\n".join(lines)


def targets_table(result: Numbers) -> str:
    """What was promised, a column a size; in bold what is missed."""
    sizes = result["sizes"]
    lines = [_line(["", "target, aim", *map(_title, sizes)]), "|---" * (2 + len(sizes)) + "|"]
    engine = [" ".join(_ENGINE.cell(share, 2) for share in _shares(size)) for size in sizes]
    lines.append(_line(["engine over the matrix product (G_BA G_AB)", _ENGINE.said(), *engine]))
    whole = [_WHOLE.cell(size["whole_job_over_engine"], 3) for size in sizes]
    lines.append(_line(["whole job over the engine", _WHOLE.said(), *whole]))
    eager = [_EAGER.get(size["variants"], Target()).cell(size["whole_job_over_eager_loop"], 1) for size in sizes]
    promised = "; ".join(f"K = {k}: {target.said()}" for k, target in _EAGER.items())
    lines.append(_line(["whole job over the eager loop", promised, *eager]))
    lines.append(_line(["over that loop in bfloat16 and channels_last", "", *map(_over_bfloat16, sizes)]))
    lines += [_line(cells) for name in _OVER if any((cells := _over_compiled(sizes, name))[2:])]
    if any(int8 := [_over(size, _rate(size, "pass, int8"), "G_BA") for size in sizes]):
        lines.append(_line(["pass, int8 over the engine's own", "", *int8]))
    first = [_FIRST.cell(size["command"]["first_shard_started_s"], 1) for size in sizes]
    lines.append(_line(["first shard begun, s", _FIRST.said(), *first]))
    lines.append(_line(["peak memory of `augment`, MiB", "", *(f"{s['command']['peak_mib']:.0f}" for s in sizes)]))
    return "\n".join(lines)


def passes_table(result: Numbers) -> str:
    """One pass of G_BA by each means, at the first K of each side: medians, and over the fastest of torch.compile."""
    lines = ["| size | one pass of G_BA | images/s | over the fastest of torch.compile |", "|---|---|---|---|"]
    for side in dict.fromkeys(size["side"] for size in result["sizes"]):
        size = next(each for each in result["sizes"] if each["side"] == side)
        for name, row in size["rows"].items():
            if name.startswith(("G_BA", "pass, ")):
                rate = row["images_per_second"]
                cells = [name.removeprefix("pass, "), rate, _over(size, rate, "pass, torch.compile")]
                lines.append(_line([f"{side} px", *cells]))
    return "\n".join(lines)


def trained_table(result: Numbers) -> str:
    """Passes of the committed pair in each precision, and what its error does."""
    lines = ["| size | precision | images/s | its error equals noise of sigma |", "|---|---|---|---|"]
    for side, precisions in result["trained"].items():
        for name, row in precisions.items():
            sigma = "more than was measured" if row["equivalent_sigma"] is None else row["equivalent_sigma"]
            lines.append(_line([f"{side} px", name, row["images_per_second"], sigma]))
    return "\n".join(lines)


def _title(size: Numbers) -> str:
    return f"{size['side']} px, K = {size['variants']}"


def _line(cells: list[Any]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _shares(size: Numbers) -> list[float | None]:
    return [_row(size, name).get("share_of_peak") for name in ("G_BA", "G_AB")]


def _over_bfloat16(size: Numbers) -> str:
    theirs = _row(size, "eager loop, bfloat16").get("images_per_second")
    return f"{_row(size, 'whole job,')['images_per_second'] / theirs:.1f}" if theirs else ""


def _over_compiled(sizes: Sequence[Numbers], name: str) -> list[str]:
    """Medians over those of the fastest that torch.compile made."""
    ours, theirs = _OVER[name]
    return [
        f"{name} over the fastest of torch.compile",
        "",
        *(_over(size, _rate(size, ours), theirs) for size in sizes),
    ]


def _over(size: Numbers, rate: float | None, theirs: str) -> str:
    fastest = _rate(size, theirs)
    return f"{rate / fastest:.2f}" if rate and fastest else ""


def _rate(size: Numbers, start: str) -> float | None:
    """Images a second of the fastest row whose name begins so."""
    rates = [row["images_per_second"] for name, row in size["rows"].items() if name.startswith(start)]
    return max(rates, default=None)


def _row(size: Numbers, start: str) -> Numbers:
    found: Numbers = next((row for name, row in size["rows"].items() if name.startswith(start)), {})
    return found
