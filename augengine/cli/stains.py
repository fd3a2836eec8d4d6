"""The command that lists stains."""

from __future__ import annotations

import sys

import click

from augengine.cli.lines import print_json, print_line
from augengine.cli.options import as_json_option
from augengine.errors import EXIT_FAILURES
from augengine.stains import ABOUT_KEYS
from augengine.weights.stain_list import list_stains


@click.command("stains")
@click.option("--keys", is_flag=True, help="Explain the keys of a stain's TOML file instead.")
@as_json_option
def stains_command(keys: bool, as_json: bool) -> None:
    """List the stains, their generators and the verdicts on these.

    The exit status is 1 if a file of a stain or of generators cannot be used.
    """
    if keys:
        _print_keys(as_json=as_json)
        return
    known = list_stains()
    if as_json:
        print_json(known.to_json())
    else:
        print_line("\n".join(known.lines()))
    sys.exit(EXIT_FAILURES if known.unreadable else 0)


def _print_keys(*, as_json: bool) -> None:
    if as_json:
        print_json(dict(ABOUT_KEYS))
        return
    print_line("A stain of your own is a file $AUGENGINE_HOME/stains/NAME.toml, or any file that --stain names.")
    for key, about in ABOUT_KEYS.items():
        print_line(f"  {key:16}{about}")
