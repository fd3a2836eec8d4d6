"""The command ``augengine train unet``: a segmenter trained from shards, and measured on other patients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import click

from augengine.storage.atomic import write_whole
from augengine_train.cyclegan.step import PrecisionOption
from augengine_train.loop.commands import FILE, SETTINGS, Echo, PoliteCommand, interruptible
from augengine_train.unet.fit import make_training, measure
from augengine_train.unet.measures import Counts, Measures
from augengine_train.unet.order import Material, Order, find_material, make_fit
from augengine_train.unet.run import find_card

RESULT = "test.json"

_SIZE = click.IntRange(min=1)
_SHARDS: dict[str, Any] = {"multiple": True, "metavar": "SHARDS"}


@click.command("unet", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--data", **_SHARDS, help="Shards of all patients, split by --patients; sources, variants or both.")
@click.option("--patients", type=FILE, help="CSV of file (keys or globs of keys), patient, split.")
@click.option("--train", **_SHARDS, help="Shards to train on, instead of --data; repeatable.")
@click.option("--validation", **_SHARDS, help="Shards that choose the best model.")
@click.option("--test", **_SHARDS, help="Shards to report on.")
@click.option("--out", type=FILE, required=True, help="Folder of the training.")
@click.option("--without", type=FILE, help="eps.json of `augengine train choose-eps`: its tiles are not trained on.")
@click.option("--stain", help="Whose vectors the stain jitter takes: a built-in stain's name, or a TOML file.")
@click.option("--recipe", default="icube", help="icube, small, or a TOML file.")
@click.option("--width", type=_SIZE, help="Filters of the first level, if not the recipe's.")
@click.option("--depth", type=_SIZE, help="Levels, if not the recipe's.")
@click.option("--shrink", type=_SIZE, help="Factor by which tiles are shrunk first, if not the recipe's.")
@click.option("--crop", type=_SIZE, help="Side of the training images in px, if not the recipe's.")
@click.option("--batch", type=_SIZE, help="Images a step, if not the recipe's.")
@click.option("--epochs", type=_SIZE, help="How often every tile is shown, if not the recipe's.")
@click.option("--steps", type=_SIZE, help="Steps instead of epochs.")
@click.option("--classes", default="1", help="Ids of the foreground in the masks, as 1 or 1,76.")
@click.option("--variants", metavar="N|fresh|0", help="Which are shown: one of N, one an epoch, or none.  [all stored]")
@click.option(
    "--skip-class",
    "skip_classes",
    multiple=True,
    help="Tiles of this class are shown as they are, as `augment` has it.",
)
@click.option("--online", is_flag=True, help="Make the variants while training instead of reading them.")
@click.option("--eps", type=float, help="With --online: the noise's upper bound, if not the stain's recommended one.")
@click.option("--noise-seed", type=int, default=0, help="With --online: as --seed of `augengine augment`.")
@click.option("--weights", type=FILE, help="With --online: folder of generators searched first.")
@click.option("--seed", type=int, default=0, help="Of weights, order, coins and augmentations.")
@click.option("--precision", type=click.Choice(get_args(PrecisionOption)), default="auto", help="Of convolutions.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out, if there is one.")
@click.option("--measure-only", is_flag=True, help="Train no more: measure the best model in --out.")
def main(**options: Any) -> None:
    """Train a segmenter on shards, choose its best model on validation patients, measure it on test patients."""
    with interruptible("the same command with --resume goes on from the last checkpoint"):
        _obey(Order(**options), Echo())


def _obey(order: Order, watcher: Echo) -> None:
    material = find_material(order, watcher)
    if not order.measure_only:
        _train(order, material, watcher)
    if test := material.cohort.test:
        for line in find_card(order.out).doubts(test):
            watcher.warn(line)
        _report(order.out, measure(order.out, test))


def _train(order: Order, material: Material, watcher: Echo) -> None:
    training = make_training(make_fit(order, material, watcher))
    if order.resume and (done := training.resume()):
        watcher.note(f"goes on after step {done}")
    if not material.cohort.validation:
        watcher.note("nothing to validate on: the last model is kept")
    training.train()


def _report(out: Path, found: Measures) -> None:
    click.echo("test".ljust(12) + "".join(name.rjust(11) for name in ("F1", "precision", "recall")))
    for name, counts in (("by pixel", found.pixels), ("by object", found.objects)):
        click.echo(name.ljust(12) + _row(counts))
    write_whole(out / RESULT, json.dumps(found.to_json(), indent=2) + "\n")


def _row(counts: Counts) -> str:
    return "".join(f"{value:11.4f}" for value in (counts.f1, counts.precision, counts.recall))


if __name__ == "__main__":
    main()
