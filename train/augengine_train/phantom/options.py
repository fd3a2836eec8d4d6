"""The option that commands on drawn tissue share."""

from __future__ import annotations

import click

correlation_option = click.option(
    "--correlation",
    "correlations",
    type=float,
    multiple=True,
    default=(1.0,),
    help="Density of markers in glomeruli over that outside; 1 is no correlation. "
    "Repeatable: several are dealt to the patients in turn.",
)
