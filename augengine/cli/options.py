"""Options that several commands share, each with one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from augengine.cli.lines import reserve_standard_output
from augengine.spec import BackendName, ImageFormat

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def json_option(help_text: str) -> Decorator:
    """The option ``--json``, which keeps standard output for the result alone."""

    def reserve(context: click.Context, _: click.Parameter, value: bool) -> bool:
        if value and not context.resilient_parsing:  # as a shell parses that completes a line
            reserve_standard_output()
        return value

    return click.option("--json", "as_json", is_flag=True, callback=reserve, help=help_text)


as_json_option = json_option("Print the result as json on standard output.")
retry_failed_option = click.option(
    "--retry-failed", is_flag=True, help="Make shards anew that failed or lack samples; the others stay as they are."
)
weights_option = click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Folder of generators, searched alone; by default $AUGENGINE_HOME/weights and those of the package.",
)
backend_option = click.option(
    "--backend",
    type=click.Choice(get_args(BackendName)),
    default="auto",
    show_default=True,
    help="What runs the generators; auto takes the fastest that this machine has.",
)
seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="Random seed; the same seed gives the same output."
)
ray_option = click.option(
    "--ray", "ray_address", metavar="ADDRESS", help="Join this running Ray cluster: HOST:PORT, or auto."
)
format_option = click.option(
    "--format",
    "image_format",
    type=click.Choice(get_args(ImageFormat)),
    default="png",
    show_default=True,
    help="Image format of the output; png and webp are lossless.",
)
allow_failures_option = click.option(
    "--allow-failures",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Number of samples that may fail while the exit status is still 0.",
)


def parse_workers(text: str, option: str = "--workers") -> int | None:
    """The value of an option that counts workers: a number of at least 1, or None for ``auto``."""
    if text == "auto":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise click.BadParameter(f"{text!r} is neither auto nor a number of at least 1", param_hint=option)
