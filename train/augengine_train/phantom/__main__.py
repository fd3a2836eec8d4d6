"""The command ``augengine train phantom``: drawn kidney as source shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand
from augengine_train.phantom.series import Series
from augengine_train.phantom.shards import write_series
from augengine_train.phantom.spec import STAINS, Correlation, PhantomStain


@click.command("phantom", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--out", type=FILE, required=True, help="Folder of the shards; new, empty, or the same series's.")
@click.option("--stain", type=click.Choice(STAINS), default="cd68", help="How the tissue is stained.")
@click.option("--count", type=int, default=64, help="Fields to draw.")
@click.option("--side", type=int, default=512, help="Side of a field, px.")
@click.option("--mpp", type=float, default=0.5, help="um/px.")
@click.option("--seed", type=int, default=0, help="One seed in two stains is the same tissue twice.")
@click.option("--patients", type=int, default=1, help="People the fields are of, in turn.")
@click.option("--first-patient", type=int, default=0, help="Number of the first of them.")
@click.option("--correlation", type=float, default=1.0, help="Markers a mm2 in glomeruli over that outside.")
@click.option("--sclerotic-correlation", type=float, help="The same of sclerotic ones; --correlation if not given.")
def main(
    out: Path, stain: PhantomStain, correlation: float, sclerotic_correlation: float | None, **options: Any
) -> None:
    """Draw fields of kidney whose glomeruli and markers are known, and write them as source shards."""
    sclerotic = correlation if sclerotic_correlation is None else sclerotic_correlation
    series = Series(stain=stain, correlation=Correlation(glomeruli=correlation, sclerotic=sclerotic), **options)
    with click.progressbar(length=series.count, label=f"drawing {stain}") as bar:
        done = write_series(series, out, tick=bar.update)
    click.echo(f"{out}: {done.drawn} fields drawn, {done.kept} were there; {series.mpp} um/px")


if __name__ == "__main__":
    main()
