"""The command that shows a dataset's run, and the option that tries again what failed in it."""

from __future__ import annotations

import time
from pathlib import Path

import click

from augengine.accounts import read_status
from augengine.console import print_json

WATCH_SECONDS = 5.0

retry_failed_option = click.option(
    "--retry-failed", is_flag=True, help="Make shards anew that lack samples or failed; the others stay as they are."
)


@click.command("status")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Again every few seconds, as long as it runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as json on standard output, a line each time.")
def status_command(out: Path, watch: bool, as_json: bool) -> None:
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
