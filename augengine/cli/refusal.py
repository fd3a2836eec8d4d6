"""What a person sees of an error: a line that says what is wrong, and a hint at the next step."""

from __future__ import annotations

import traceback
from typing import NoReturn

import click

from augengine.errors import EXIT_REFUSED, AugengineError


def refuse(ctx: click.Context, error: AugengineError) -> NoReturn:
    """Print an error of ours and end the command with exit status 2; ``augengine --debug`` shows the traceback."""
    show_traceback(ctx, error)
    click.secho(f"error: {error.message}", err=True, fg="red")
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
    ctx.exit(EXIT_REFUSED)


def show_traceback(ctx: click.Context, error: Exception) -> None:
    """Print the traceback of an error where the user asked for it."""
    if ctx.find_root().params.get("debug"):
        traceback.print_exception(error)
