"""The command line: each command parses, makes one call, prints."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from typing import Any

import click

from augengine.cli.lazy import LazyGroup, Place
from augengine.cli.refusal import refuse, show_traceback
from augengine.errors import EXIT_INTERRUPTED, EXIT_REFUSED, AugengineError
from augengine.sample import printable

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the machine's end, the terminal's end: each ends a run in the same way."""

_UNDECODED = re.compile("[\\ud800-\\udfff]")
_RESUMED = ("augment", "tile")
_KEPT = ": finished shards are kept, the same command goes on from there"


def _place(module: str, command: str, purpose: str) -> Place:
    return Place(f"augengine.cli.{module}", f"{command}_command", purpose)


COMMANDS: Mapping[str, Place] = {
    "build-engines": _place(
        "augment", "build_engines", "Compile generators and measure what each precision costs in fidelity."
    ),
    "augment": _place("augment", "augment", "Write augmented shards of a stain's images."),
    "tile": _place(
        "tile",
        "tile",
        "Cut slides into source shards: a grid over the tissue, tiles around annotated objects, or random ones.",
    ),
    "import": _place(
        "importing", "import", "Store a generator that was trained elsewhere: .pth, .safetensors or .onnx."
    ),
    "probe": _place(
        "probing",
        "probe",
        "Measure whether a stain's generators hide markers and lose them under noise, and how much noise is right.",
    ),
    "preview": _place(
        "probing", "preview", "Draw what noise does: more of it, other draws of it, and where the markers come and go."
    ),
    "verify": _place("stored", "verify", "Read a dataset again, every byte, and name what is wrong."),
    "replay": _place("dataset", "replay", "Make one sample again from its json and compare the bytes."),
    "sheet": _place(
        "dataset",
        "sheet",
        "Draw sources, their translations, variants, and, with two or more variants, where these differ.",
    ),
    "status": _place(
        "stored", "status", "Show how far the run on a dataset is, from any machine that sees its folder."
    ),
    "stains": _place("stains", "stains", "List the stains, their generators and the verdicts on these."),
    "doctor": _place("doctor", "doctor", "Say what this machine has, and what to do about what it lacks."),
    "train": _place("train", "train", "Train generators and segmenters (extra: train)."),
}
"""The commands in the order of ``augengine --help``; what is said of each is the first line of its own help."""


class _Group(LazyGroup):
    """Turns our errors into one line and a hint, and Ctrl-C into its own exit status."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse names that are not in UTF-8: no plan or report could hold them."""
        if odd := [word for word in args if not word.isprintable() and _UNDECODED.search(word)]:
            said = f"{printable(odd[0])[:200]} is in another coding than UTF-8"
            raise click.UsageError(f"{said}; rename it, for example with convmv", ctx)
        return super().parse_args(ctx, args)

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
            if isinstance(error, OSError) and error.filename is not None:
                refuse(ctx, _of_file(error))
            show_traceback(ctx, error)
            click.secho(f"error: {type(error).__name__}: {error}", err=True, fg="red")
            click.echo("hint: this is a fault of augengine; `augengine --debug ...` shows where", err=True)
            ctx.exit(EXIT_REFUSED)


def _of_file(error: OSError) -> AugengineError:
    """Make a refusal of what the system says of a file: its name is too long, or it may not be read."""
    name = printable(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else str(error.filename)
    return AugengineError(f"{name[:200]}: {error.strerror}", hint="check the path, and the rights to it")


def _interrupt(*_: object) -> None:
    # Only the first counts: a second one would break off the clean-up, with writers still at work.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@click.group(
    cls=_Group,
    places=COMMANDS,
    extra="write",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="augengine")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:  # noqa: ARG001 - read by the group, when an error passes it
    """Stain-translation augmentation for digital pathology, at scale."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves SIGHUP
            signal.signal(number, _interrupt)
