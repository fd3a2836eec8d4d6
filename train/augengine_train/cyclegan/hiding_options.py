"""The options by which commands teach generators to hide markers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from augengine_train.cyclegan.hiding import Hiding

_OPTIONS = (
    click.option(
        "--hide",
        type=click.FloatRange(0),
        default=0.0,
        help="Weight of the loss for markers that a network still finds in translations; 0 has none.",
    ),
    click.option(
        "--hide-sigma", type=click.FloatRange(0, 1), default=0.1, help="Noise that the network of --hide looks through."
    ),
    click.option(
        "--hide-emphasis",
        type=click.FloatRange(0),
        default=10.0,
        help="With --hide: how much more than others a marker's pixels count in the cycle loss.",
    ),
)


def hiding_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--hide``, ``--hide-sigma`` and ``--hide-emphasis``; see `take_hiding`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_hiding(options: dict[str, Any]) -> Hiding | None:
    """What the options of `hiding_options` say, taken out of all options; None where markers are not hidden."""
    weight, sigma, emphasis = (options.pop(name) for name in ("hide", "hide_sigma", "hide_emphasis"))
    return Hiding(weight=weight, sigma=sigma, emphasis=emphasis) if weight else None
