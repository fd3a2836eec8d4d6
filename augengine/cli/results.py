"""The results of the commands that write, as tables and sentences or as json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table

from augengine.cli.lines import print_json, print_line, print_some, print_table
from augengine.compiling import BuiltPair
from augengine.dataset import Prediction, Summary
from augengine.engines.fidelity import EPS_SHARE
from augengine.json_values import to_json
from augengine.probing import Probe
from augengine.probing.report import two
from augengine.progress import counted
from augengine.tiling import TileSummary


def print_budgets(pairs: Sequence[BuiltPair], *, as_json: bool) -> None:
    """The table of `build-engines`: what each precision costs, as noise."""
    if as_json:
        print_json([pair.to_json() for pair in pairs])
        return
    table = Table(title="engines and their noise budget", box=SIMPLE, collapse_padding=True)
    # Two lines a heading, so that a row fits in 80 columns.
    headings = ("error\nof A'", "of the\nchain", "equals\nsigma", "good for\neps from", "tiles")
    for name in ("stain", "size", "precision", *headings):
        table.add_column(name, justify="left" if name in ("stain", "precision") else "right", no_wrap=True)
    for pair in pairs:
        table.add_row(*_budget_row(pair))
    print_table(table)
    drawn = any(pair.budget is not None and pair.budget.surrogate for pair in pairs)
    legend = "; (s): on drawn tiles, which the pair does not know" if drawn else ""
    print_line(f"errors: root mean square in [-1, 1] against float32{legend}")
    for line in rate_lines(pairs):
        print_line(line)


def rate_lines(pairs: Sequence[BuiltPair]) -> list[str]:
    """What an image takes there and back in each precision that was timed, a line for each pair of generators."""
    timed = [pair for pair in pairs if pair.seconds is not None]
    lines = []
    for name, size in dict.fromkeys((pair.weights.name, (pair.height, pair.width)) for pair in timed):
        own = [pair for pair in timed if (pair.weights.name, (pair.height, pair.width)) == (name, size)]
        rates = ", ".join(f"{pair.precision} {1000 * (pair.seconds or 0):.0f} ms" for pair in own)
        lines.append(f"{name}: an image there and back takes {rates}")
    return lines


def _budget_row(pair: BuiltPair) -> tuple[str, ...]:
    size, budget = f"{pair.width} x {pair.height}", pair.budget
    if budget is None:
        exact = pair.precision == "float32"
        found = ("0", "0", "0", "any") if exact else ("not measured", "not measured", "unknown", "on request")
        return pair.weights.name, size, pair.precision, *found, "-"
    return (
        pair.weights.name,
        size,
        pair.precision,
        f"{budget.error_a:.1e}",
        f"{budget.error_chain:.1e}",
        f"{budget.equivalent_sigma:.1e}",
        f"{budget.equivalent_sigma / EPS_SHARE:.2g}",
        f"{budget.tiles}{' (s)' if budget.surrogate else ''}",
    )


def print_prediction(prediction: Prediction, *, as_json: bool) -> None:
    """What a run would make."""
    if as_json:
        print_json(to_json(prediction))
    else:
        print_line(prediction.sentence())


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """What a run made, and each failure with its reason."""
    if as_json:
        print_json(summary.to_json())
        return
    for sentence in filter(None, (summary.sentence(), summary.outcome.left_out_line())):
        print_line(sentence)
    print_some(summary.failure_lines(), f"{summary.folder}/.augengine/*.json")
    if summary.failed_samples:
        print_line("mend them and type the same command with --retry-failed: it makes their shards anew")
    print_some([f"note: {line}" for line in summary.outcome.notes], f"{summary.folder}/.augengine/summary.md")


def print_tile_summary(summary: TileSummary, *, as_json: bool) -> None:
    """What became of some slides: failures first, then what could not be done as asked."""
    if as_json:
        print_json(summary.to_json())
        return
    for sentence in filter(None, (summary.sentence(), summary.objects_sentence())):
        print_line(sentence)
    print_some(summary.failure_lines(), f"{summary.folder}/.augengine/")
    print_some([f"note: {line}" for line in summary.outcome.notes], f"{summary.folder}/.augengine/slides/*.json")


def print_probe(found: Probe, out: Path, *, as_json: bool) -> None:
    """The table of `probe`, one row per sigma, and what follows from it."""
    if as_json:
        print_json(found.to_json())
        return
    tissue = found.tissue
    title = f"{tissue.stain} by way of {tissue.reference}, {counted(len(tissue.keys), 'tile')}"
    table = Table(title=title + (" of the sample set" if tissue.surrogate else ""), box=SIMPLE, collapse_padding=True)
    headings = ("sigma", "response", "two draws\nagree", "Dice with\nsource", "marker\narea", "structure\nleft")
    for name in (*headings, "markers kept,\nlost, new"):
        table.add_column(name, justify="right", no_wrap=True)
    for point, kept in zip(found.points, found.kept(), strict=True):
        noise = point.noise
        cells = (two(noise.agreement), two(noise.faithful), f"{noise.area:.2%}", f"{kept.structure:.2f}")
        objects = f"{point.objects.kept}, {point.objects.lost}, {point.objects.new}"
        table.add_row(f"{noise.sigma:g}", f"{noise.response:.4f}", *cells, objects)
    print_table(table)
    for line in found.lines():
        print_line(line)
    print_some([f"left out: {each.key}: {each.reason}" for each in tissue.left_out], f"{out}/probe.json")
    print_line(f"open {out}/report.html in a browser; {out}/probe.json holds the numbers")
