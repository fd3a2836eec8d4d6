"""The commands that look at a dataset: how its run stands, what it holds, whether it is whole; what they share."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from augengine.cli.console import print_json, print_verification
from augengine.cli.options import as_json_option
from augengine.dataset import draw_sheet, replay
from augengine.errors import EXIT_FAILURES
from augengine.runs import read_status
from augengine.shards.verify import verify
from augengine.storage import AnyPath, path_of

WATCH_SECONDS = 5.0


@click.command("status")
@click.argument("out", metavar="DATASET", type=path_of)
@click.option("--watch", is_flag=True, help="Print it again every few seconds while the run goes on.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as json on standard output, a line each time.")
def status_command(out: AnyPath, watch: bool, as_json: bool) -> None:
    """Show how far the run on a dataset is, from any machine that sees its folder."""
    while True:
        status = read_status(out)
        if as_json:
            print_json(status.to_json())
        else:
            click.echo("\n".join(status.lines()))
        if not watch or status.standing not in ("running", "silent"):
            return
        time.sleep(WATCH_SECONDS)


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
def sheet_command(shards: AnyPath, out: Path, rows: int) -> None:
    """Draw sources, their translations, variants, and, with two or more variants, where these differ."""
    click.echo(str(draw_sheet(shards, out, rows=rows)))


@click.command("verify")
@click.argument("shards", metavar="DATASET", type=path_of)
@as_json_option
def verify_command(shards: AnyPath, as_json: bool) -> None:
    """Read a dataset again, every byte, and name what is wrong."""
    verification = verify(shards)
    print_verification(verification, as_json=as_json)
    sys.exit(0 if verification.ok else EXIT_FAILURES)


@click.command("replay")
@click.argument("shards", metavar="DATASET", type=path_of)
@click.argument("key")
@as_json_option
def replay_command(shards: AnyPath, key: str, as_json: bool) -> None:
    """Make one sample again from its json and compare the bytes."""
    result = replay(shards, key)
    click.echo(json.dumps(result.to_json()) if as_json else result.sentence())
    sys.exit(0 if result.same else EXIT_FAILURES)
