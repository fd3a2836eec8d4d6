"""The commands of the command line, imported: the program itself does that one by one."""

from __future__ import annotations

import click

from augengine.cli.main import main


def all_commands() -> dict[str, click.Command]:
    """Name -> command."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}
