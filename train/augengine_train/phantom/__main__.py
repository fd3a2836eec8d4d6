"""The command ``augengine train phantom``: drawn kidney as source shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand
from augengine_train.phantom.options import correlation_option
from augengine_train.phantom.series import Series
from augengine_train.phantom.shards import write_series
from augengine_train.phantom.spec import STAINS, Infiltrates, PhantomStain, deal_correlations


@click.command("phantom", cls=PoliteCommand, context_settings=SETTINGS)
@click.option(
    "--out", type=FILE, required=True, help="Folder for the shards; it must be new, empty, or hold the same series."
)
@click.option("--stain", type=click.Choice(STAINS), default="cd68", help="Stain of the tissue.")
@click.option("--count", type=int, default=64, help="Number of fields to draw.")
@click.option("--side", type=int, default=512, help="Side of a field, in pixels.")
@click.option("--mpp", type=float, default=0.5, help="Resolution of the fields, in um per pixel.")
@click.option(
    "--seed", type=int, default=0, help="Random seed; the same seed in two stains draws the same tissue twice."
)
@click.option("--patients", type=int, default=1, help="Number of patients, to whom the fields are dealt in turn.")
@click.option(
    "--first-patient",
    type=int,
    default=0,
    help="Number of the first patient; series with different patients share no person.",
)
@correlation_option
@click.option("--sclerotic-correlation", type=float, help="The same for sclerotic glomeruli; by default --correlation.")
@click.option(
    "--infiltrates",
    type=float,
    default=0.0,
    help="Number of infiltrates per mm2 of interstitium: places full of markers that are no glomeruli.",
)
@click.option(
    "--infiltrate-density", type=float, default=4.0, help="Density of markers in infiltrates over that outside."
)
def main(
    out: Path,
    stain: PhantomStain,
    correlations: Sequence[float],
    sclerotic_correlation: float | None,
    infiltrates: float,
    infiltrate_density: float,
    **options: Any,
) -> None:
    """Draw fields of kidney whose glomeruli and markers are known, and write them as source shards."""
    series = Series(
        stain=stain,
        correlations=deal_correlations(correlations, sclerotic_correlation),
        infiltrates=Infiltrates(per_mm2=infiltrates, density=infiltrate_density),
        **options,
    )
    with click.progressbar(length=series.count, label=f"drawing {stain}") as bar:
        done = write_series(series, out, tick=bar.update)
    click.echo(f"{out}: {done.drawn} fields drawn, {done.kept} were there; {series.mpp} um/px")


if __name__ == "__main__":
    main()
