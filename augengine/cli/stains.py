"""The command that lists stains."""

from __future__ import annotations

import click

from augengine.cli.lines import print_json, print_line
from augengine.cli.options import as_json_option
from augengine.stains import ABOUT_KEYS
from augengine.weights.stain_list import list_stains


@click.command("stains")
@click.option("--keys", is_flag=True, help="Explain the keys of a stain's TOML file instead.")
@as_json_option
def stains_command(keys: bool, as_json: bool) -> None:
    """List the stains, their generators and the verdicts on these."""
    if keys:
        _print_keys(as_json=as_json)
        return
    known = list_stains()
    if as_json:
        print_json([each.to_json() for each in known])
    else:
        print_line("\n".join(line for each in known for line in each.lines()))


def _print_keys(*, as_json: bool) -> None:
    if as_json:
        print_json(dict(ABOUT_KEYS))
        return
    print_line("A stain of your own is a file $AUGENGINE_HOME/stains/NAME.toml, or any file that --stain names.")
    for key, about in ABOUT_KEYS.items():
        print_line(f"  {key:16}{about}")
