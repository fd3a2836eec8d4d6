"""The command ``augengine train compare``: does an augmentation help on these tiles? Resumable cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from augengine.stains import find_stain
from augengine.tiling.patients import Patients
from augengine.weights.home import home
from augengine_train.experiments.compare.folds import patients_showing
from augengine_train.experiments.compare.plan import ARMS, MIN_FOLDS, Arm, Comparing
from augengine_train.experiments.compare.run import run
from augengine_train.loop.commands import FILE, SETTINGS, Echo, PoliteCommand, interruptible
from augengine_train.unet.cohort import Tiles, name_patients, parse_classes
from augengine_train.unet.recipe import find_recipe
from augengine_train.unet.tiles import find_tiles

_SIZE = click.IntRange(min=1)
_DEFAULT_FOLDS = 5


@click.command("compare", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--stain", required=True, help="The stain: the name of a built-in one or of your own, or a TOML file.")
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="SHARDS",
    help="Source shards with masks, of all patients; repeatable.",
)
@click.option(
    "--patients",
    type=FILE,
    help="CSV of file (keys or globs of keys), patient, split; by default the tiles' json says whose they are.",
)
@click.option(
    "--out",
    type=FILE,
    required=True,
    help="Folder for shards, trainings and results; a rerun goes on where it stopped.",
)
@click.option(
    "--arm",
    "arms",
    multiple=True,
    type=click.Choice(ARMS),
    help="Compare only these; repeatable. By default all, and the baseline is always among them.",
)
@click.option("--eps", type=float, help="Largest deviation of the noise of the arm paper; by default the stain's own.")
@click.option(
    "--folds",
    type=click.IntRange(MIN_FOLDS),
    help=f"Groups of patients, each tested once; by default {_DEFAULT_FOLDS}, or one per patient if there are fewer.",
)
@click.option("--repeats", type=_SIZE, default=1, help="Number of trainings per fold and arm.")
@click.option("--variants", type=_SIZE, default=4, help="Number of variants to write per tile and arm.")
@click.option(
    "--recipe", default="small", help="How each segmenter is trained: small, icube (for a GPU), or a TOML file."
)
@click.option("--steps", type=_SIZE, default=400, help="Steps of each training.")
@click.option("--width", type=_SIZE, help="Filters of the network's first level; by default the recipe's.")
@click.option("--depth", type=_SIZE, help="Number of the network's levels; by default the recipe's.")
@click.option("--crop", type=_SIZE, help="Side of the training images, in pixels; by default the recipe's.")
@click.option("--shrink", type=_SIZE, help="Factor by which tiles are shrunk first; by default the recipe's.")
@click.option("--classes", default="1", help="Ids of the foreground in the masks, such as 1 or 1,76.")
@click.option("--mpp", type=float, help="um/px of the tiles, where their json does not say it.")
@click.option("--weights", type=FILE, help="Folder of generators, searched alone.")
@click.option(
    "--marker-threshold",
    type=float,
    help="Chromogen concentration from which on a pixel is marker; by default Otsu's method finds it on the tiles.",
)
@click.option("--workers", type=_SIZE, default=1, help="Number of trainings that run at a time.")
@click.option("--seed", type=int, default=0, help="Random seed of the folds, the variants and the trainings.")
def main(**options: Any) -> None:
    """Train a segmenter with each augmentation, test it on patients that it has not seen, and say what helps.

    It also measures reliance: how much F1 falls when the markers are taken out of the test tiles.
    """
    with interruptible("the same command goes on where it stopped"):
        _obey(**options)


def _obey(
    *,
    stain: str,
    data: Sequence[str],
    patients: Path | None,
    arms: Sequence[Arm],
    folds: int | None,
    recipe: str,
    classes: str,
    workers: int,
    width: int | None,
    depth: int | None,
    crop: int | None,
    shrink: int | None,
    **others: Any,
) -> None:
    tiles = _tiles(data, patients)
    sized = find_recipe(recipe).with_changes(width=width, depth=depth, crop=crop, shrink=shrink)
    ids = parse_classes(classes)
    people = len(patients_showing(tiles, ids))
    wanted = Comparing(
        tiles=tiles,
        stain=find_stain(stain, home() / "stains"),
        stain_option=stain,
        recipe=replace(sized, stain_jitter=False),
        arms=tuple(arm for arm in ARMS if not arms or arm == "baseline" or arm in arms),
        folds=folds or max(MIN_FOLDS, min(_DEFAULT_FOLDS, people)),
        classes=ids,
        **others,
    )
    for line in run(wanted, Echo(), workers=workers):
        click.echo(line)


def _tiles(data: Sequence[str], patients: Path | None) -> Tiles:
    """The tiles, each with its patient; the split of a patients' file is not looked at."""
    tiles = find_tiles(data)
    if patients is None:
        return tiles
    return tuple(tile for tile, _ in name_patients(tiles, Patients.read(patients), " ".join(data)))


if __name__ == "__main__":
    main()
