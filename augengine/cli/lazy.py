"""Groups of commands that are imported when they are used: a list of them costs nothing and lacks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from augengine.errors import BackendUnavailable


class Place(NamedTuple):
    """Where a command lies, and what it does in a line.

    Attributes:
        module: The module that defines it.
        name: Its name there.
        purpose: What the list of commands says of it.
    """

    module: str
    name: str
    purpose: str


class LazyGroup(click.Group):
    """Lists its commands without importing one.

    Args:
        places: Command -> where it lies, in the order of the list.
        extra: The extra that brings what the commands need, for the hint where a package is missing.
    """

    def __init__(self, *arguments: Any, places: Mapping[str, Place], extra: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.places, self._extra = places, extra

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in order."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """A command, imported now.

        Raises:
            BackendUnavailable: A package that it needs is not installed.
        """
        if cmd_name not in self.places:
            return None
        place = self.places[cmd_name]
        try:
            command: click.Command = getattr(import_module(place.module), place.name)
        except ModuleNotFoundError as error:
            hint = f"install it: pip install 'augengine[{self._extra}]'"
            raise BackendUnavailable(f"the command {cmd_name} needs the package {error.name}", hint=hint) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands by what `Place` says of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.purpose) for name, place in self.places.items()])
