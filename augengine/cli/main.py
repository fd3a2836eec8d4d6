"""The command line: each command parses, makes one call, prints."""

from __future__ import annotations

import signal
from typing import Any

import click

from augengine.cli.augment import augment_command, build_engines_command
from augengine.cli.dataset import replay_command, sheet_command, status_command, verify_command
from augengine.cli.importing import import_command
from augengine.cli.probing import preview_command, probe_command
from augengine.cli.refusal import refuse, show_traceback
from augengine.cli.tile import tile_command
from augengine.cli.train import train_command
from augengine.errors import EXIT_INTERRUPTED, EXIT_REFUSED, AugengineError

_RESUMED = ("augment", "tile")
_KEPT = ": finished shards are kept, the same command goes on from there"


class _Group(click.Group):
    """Turns our errors into one line and a hint, and Ctrl-C into its own exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AugengineError as error:
            refuse(ctx, error)
        except KeyboardInterrupt:
            click.echo(f"interrupted{_KEPT if ctx.invoked_subcommand in _RESUMED else ''}", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours: never the exit status of a finished run
            show_traceback(ctx, error)
            click.secho(f"error: {type(error).__name__}: {error}", err=True, fg="red")
            click.echo("hint: this is a fault of augengine; `augengine --debug ...` shows where", err=True)
            ctx.exit(EXIT_REFUSED)


def _interrupt(*_: object) -> None:
    # Only the first counts: a second one would break off the clean-up, with writers still at work.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="augengine")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:  # noqa: ARG001 - read by the group, when an error passes it
    """Stain-translation augmentation for digital pathology, at scale."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


for command in (
    build_engines_command,
    augment_command,
    tile_command,
    import_command,
    probe_command,
    preview_command,
    verify_command,
    replay_command,
    sheet_command,
    status_command,
    train_command,
):
    main.add_command(command)
