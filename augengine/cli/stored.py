"""The commands that look at a dataset as it is stored; they need nothing of what writes one."""

from __future__ import annotations

import sys
import time

import click

from augengine.cli.lines import print_json, print_line
from augengine.cli.options import as_json_option, json_option
from augengine.errors import EXIT_FAILURES
from augengine.progress import counted
from augengine.runs.status import read_status
from augengine.shards.verify import Verification, verify
from augengine.storage import AnyPath, path_of

WATCH_SECONDS = 5.0


@click.command("status")
@click.argument("out", metavar="DATASET", type=path_of)
@click.option("--watch", is_flag=True, help="Print it again every few seconds while the run goes on.")
@json_option("Print the result as json on standard output, a line each time.")
def status_command(out: AnyPath, watch: bool, as_json: bool) -> None:
    """Show how far the run on a dataset is, from any machine that sees its folder."""
    while True:
        status = read_status(out)
        if as_json:
            print_json(status.to_json())
        else:
            print_line("\n".join(status.lines()))
        if not watch or status.standing not in ("running", "silent"):
            return
        time.sleep(WATCH_SECONDS)


@click.command("verify")
@click.argument("shards", metavar="DATASET", type=path_of)
@as_json_option
def verify_command(shards: AnyPath, as_json: bool) -> None:
    """Read a dataset again, every byte, and name what is wrong."""
    verification = verify(shards)
    _print(verification, as_json=as_json)
    sys.exit(0 if verification.ok else EXIT_FAILURES)


def _print(verification: Verification, *, as_json: bool) -> None:
    """What `verify` found."""
    if as_json:
        print_json(
            {"ok": verification.ok, "shards": verification.shards, "samples": verification.samples}
            | {"problems": list(verification.problems), "notes": list(verification.notes)}
        )
        return
    for line in (*verification.problems, *(f"note: {note}" for note in verification.notes)):
        print_line(line)
    if verification.failures:
        print_line(f"{counted(verification.failures, 'source sample')} dropped, see .augengine/*.json")
    verdict = "sound" if verification.ok else counted(len(verification.problems), "problem")
    seen = f"{counted(verification.shards, 'shard')}, {counted(verification.samples, 'sample')}"
    print_line(f"{seen}: {verdict}")
