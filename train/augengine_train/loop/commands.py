"""What the commands of `train` have in common: errors in a line and a hint, as `augengine` shows them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from augengine.cli.refusal import refuse
from augengine.errors import EXIT_INTERRUPTED, AugengineError, StainError
from augengine.progress import WorkerState
from augengine.stains import Stain, find_stain
from augengine.weights.home import home

FILE = click.Path(path_type=Path)
SETTINGS = {"show_default": True, "max_content_width": 110, "help_option_names": ["-h", "--help"]}


def find_own_stain(name: str, reference: str | None) -> Stain:
    """The stain that an option names, of the user's own too, with a reference stain.

    Args:
        name: A built-in stain, one in ``$AUGENGINE_HOME/stains``, or a TOML file.
        reference: Its reference stain; None is the stain's own.

    Raises:
        StainError: No such stain, or it is a reference stain itself.
        SpecError: A reference that cannot be a stain's name.
    """
    stain = find_stain(name, home() / "stains")
    wanted = reference or stain.reference
    if wanted is None:
        raise StainError(f"{stain.name} is a reference stain", hint="name the other stain of the pair, as cd68")
    replace(stain, name=wanted)  # a reference is a stain, and is named as one
    return replace(stain, reference=wanted)


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command with 130 and a line of advice."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"interrupted: {advice}", err=True)
        sys.exit(EXIT_INTERRUPTED)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class PoliteCommand(click.Command):
    """A command that prints our errors as `augengine` does, also where a test or a script calls it by itself."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except AugengineError as error:
            refuse(ctx, error)


class Echo:
    """Follows an augmenting run, and says on standard error what happens; see `augengine.dataset.Watcher`."""

    def note(self, text: str) -> None:
        """One line about what happens."""
        click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """One line that matters."""
        click.echo(f"warning: {text}", err=True)

    def begin(self, total: int, already: int) -> None:
        """A run of ``total`` tiles starts."""
        click.echo(f"augmenting {total} tiles, {already} done before", err=True)

    def advance(self, samples: int) -> None:
        """Does nothing: the time goes into the trainings, not into the samples."""

    def crew(self, workers: Sequence[WorkerState]) -> None:
        """Does nothing: there is only one worker."""
