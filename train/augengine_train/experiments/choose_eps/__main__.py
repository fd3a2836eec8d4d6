"""The command ``augengine train choose-eps``: the paper's grid on a tenth of the data, the best eps noted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from augengine.errors import SpecError
from augengine.stains import Stain, find_stain
from augengine.storage.atomic import write_whole
from augengine.weights.home import home, open_home
from augengine_train.experiments.choose_eps.choice import UNAUGMENTED, Choice
from augengine_train.experiments.choose_eps.grid import GRID, Search, search
from augengine_train.experiments.choose_eps.stain_file import recommend_eps
from augengine_train.experiments.choose_eps.tuning_share import Unit
from augengine_train.experiments.plots import Points, plot_eps
from augengine_train.loop.commands import FILE, SETTINGS, Echo, PoliteCommand, interruptible
from augengine_train.unet.cohort import open_cohort, parse_classes
from augengine_train.unet.recipe import find_recipe

_SIZE = click.IntRange(min=1)
_SHARDS: dict[str, Any] = {"multiple": True, "metavar": "SHARDS"}


@click.command("choose-eps", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--stain", required=True, help="The stain: the name of a built-in one or of your own, or a TOML file.")
@click.option("--data", **_SHARDS, help="Source shards of all patients, split by --patients; repeatable.")
@click.option("--patients", type=FILE, help="CSV of file (keys or globs of keys), patient, split.")
@click.option("--train", **_SHARDS, help="Source shards to draw the share from, instead of --data; repeatable.")
@click.option("--validation", **_SHARDS, help="Source shards to measure on, instead of --data; repeatable.")
@click.option(
    "--out",
    type=FILE,
    required=True,
    help="Folder for shards, trainings and results; a rerun goes on where it stopped.",
)
@click.option("--recipe", default="icube", help="How each segmenter is trained: icube, small, or a TOML file.")
@click.option("--steps", type=_SIZE, help="Steps of each training; by default the recipe's epochs decide.")
@click.option("--width", type=_SIZE, help="Filters of the network's first level; by default the recipe's.")
@click.option("--depth", type=_SIZE, help="Number of the network's levels; by default the recipe's.")
@click.option("--crop", type=_SIZE, help="Side of the training images, in pixels; by default the recipe's.")
@click.option(
    "--grid",
    default=",".join(f"{eps:g}" for eps in GRID),
    help="The eps to try, separated by commas; the default is the paper's.",
)
@click.option("--repeats", type=_SIZE, default=3, help="Number of trainings per eps.")
@click.option("--variants", type=_SIZE, default=4, help="Number of variants to write per tile and eps.")
@click.option("--share", type=float, default=0.1, help="Share of the training data to use, above 0 and at most 1.")
@click.option(
    "--by",
    "unit",
    type=click.Choice(get_args(Unit)),
    default="tile",
    help="Whether the share is one of the tiles or of the patients.",
)
@click.option("--classes", default="1", help="Ids of the foreground in the masks, such as 1 or 1,76.")
@click.option("--mpp", type=float, help="um/px of the tiles, where their json does not say it.")
@click.option("--weights", type=FILE, help="Folder of generators, searched alone.")
@click.option("--seed", type=int, default=0, help="Random seed of the share, the noise and the trainings.")
@click.option("--no-write", is_flag=True, help="Do not write the recommended eps into the stain's TOML file.")
def main(**options: Any) -> None:
    """Try the paper's grid of eps on a separate share of the training data, and recommend one."""
    with interruptible("the same command goes on where it stopped"):
        _obey(**options)


def _obey(
    *,
    stain: str,
    data: Sequence[str],
    patients: Path | None,
    train: Sequence[str],
    validation: Sequence[str],
    out: Path,
    recipe: str,
    width: int | None,
    depth: int | None,
    crop: int | None,
    grid: str,
    classes: str,
    no_write: bool,
    **others: Any,
) -> None:
    wanted = Search(
        cohort=open_cohort(data, patients, train=train, validation=validation),
        stain=find_stain(stain, home() / "stains"),
        stain_option=stain,
        out=out,
        recipe=find_recipe(recipe).with_changes(width=width, depth=depth, crop=crop),
        grid=_parse_grid(grid),
        classes=parse_classes(classes),
        **others,
    )
    if wanted.cohort.doubt:
        Echo().warn(wanted.cohort.doubt)
    choice = search(wanted, Echo())
    _report(choice, out)
    if no_write or choice.recommended is None:
        said = "none" if choice.recommended is None else f"eps {choice.recommended:g}"
        click.echo(f"recommended: {said}; no stain file was touched")
        return
    _recommend(wanted.stain, choice.recommended, stain)


def _recommend(found: Stain, eps: float, stain: str) -> None:
    file = Path(stain) if stain.endswith(".toml") else open_home() / "stains" / f"{found.name}.toml"
    was = "changed" if file.exists() else "made"
    recommend_eps(found, eps, file)
    click.echo(f"{was} {file}: recommended_eps = {eps:g}, all else as it was")
    click.echo(f"`augengine augment --stain {stain}` now takes it where no --eps is given")


def _parse_grid(text: str) -> tuple[float, ...]:
    try:
        return tuple(sorted(float(part) for part in text.split(",")))
    except ValueError as error:
        raise SpecError(f"a grid is numbers with commas between them, got {text!r}", hint="--grid 0.01,0.05") from error


def table(choice: Choice) -> list[str]:
    """A line an eps: mean and deviation of the validation F1, the repetitions, and a mark at the best."""
    lines = [f"{'eps':>12}{'mean F1':>10}{'sd':>9}  each"]
    for eps, values in choice.f1.items():
        name = "none" if eps == UNAUGMENTED else f"{eps:g}"
        mark = "  <- best" if eps == choice.best else ""
        mark = "  <- recommended" if eps == choice.recommended else mark
        each = " ".join(f"{value:.4f}" for value in values)
        lines.append(f"{name:>12}{choice.mean(eps):10.4f}{choice.deviation(eps):9.4f}  {each}{mark}")
    return [*lines, "the highest mean of a few repetitions: a choice, not a proof of a gain"]


def _report(choice: Choice, out: Path) -> None:
    for line in table(choice):
        click.echo(line)
    for line in choice.doubts():
        Echo().warn(line)
    grid = [eps for eps in choice.f1 if eps != UNAUGMENTED]
    points = Points(grid, [choice.mean(eps) for eps in grid], [choice.deviation(eps) for eps in grid])
    plot_eps(out / "eps.png", choice.stain, points, choice.mean(UNAUGMENTED))
    write_whole(out / "eps.json", json.dumps(choice.to_json(), indent=2) + "\n")
    write_whole(out / "eps.txt", "\n".join(table(choice)) + "\n")


if __name__ == "__main__":
    main()
