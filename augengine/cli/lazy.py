"""Groups of commands that are imported when they are used: a list of them costs nothing and lacks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from augengine.errors import missing_package


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
            MissingPackage: A package that it needs is not installed.
        """
        if cmd_name not in self.places:
            return None
        place = self.places[cmd_name]
        try:
            command: click.Command = getattr(import_module(place.module), place.name)
        except ModuleNotFoundError as error:
            raise missing_package(f"the command {cmd_name}", error, f"'augengine[{self._extra}]'") from error
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """List what a shell may complete, names of commands and options, without importing a command."""
        named = [name for name in self.places if name.startswith(incomplete)]
        items = [CompletionItem(name, help=self.places[name].purpose) for name in named]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands by what `Place` says of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.purpose) for name, place in self.places.items()])
