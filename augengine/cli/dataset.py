"""The commands that make samples of a dataset again: to compare one, to draw some."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from augengine.cli.lines import print_json, print_line
from augengine.cli.options import as_json_option
from augengine.dataset import draw_sheet, replay
from augengine.errors import EXIT_FAILURES
from augengine.storage import AnyPath, path_of


@click.command("sheet")
@click.argument("shards", metavar="DATASET", type=path_of)
@click.option(
    "--out",
    "out",
    type=click.Path(path_type=Path),
    default="sheet.png",
    show_default=True,
    help="File of the picture, a PNG.",
)
@click.option("--rows", type=click.IntRange(min=1), default=3, show_default=True, help="How many sources to draw.")
@click.option(
    "--flicker",
    type=click.Path(path_type=Path),
    help="File of a GIF besides, which shows sources and variants in turns.",
)
def sheet_command(shards: AnyPath, out: Path, rows: int, flicker: Path | None) -> None:
    """Draw sources, their translations, variants, and, with two or more variants, where these differ."""
    print_line(str(draw_sheet(shards, out, rows=rows, flicker=flicker)))
    if flicker is not None:
        print_line(str(flicker))


@click.command("replay")
@click.argument("shards", metavar="DATASET", type=path_of)
@click.argument("key")
@as_json_option
def replay_command(shards: AnyPath, key: str, as_json: bool) -> None:
    """Make one sample again from its json and compare the bytes."""
    result = replay(shards, key)
    if as_json:
        print_json(result.to_json())
    else:
        print_line(result.sentence())
    sys.exit(0 if result.same else EXIT_FAILURES)
