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
@click.option(
    "--data", **_SHARDS, help="Shards of all patients, split by --patients: sources, variants or both; repeatable."
)
@click.option("--patients", type=FILE, help="CSV of file (keys or globs of keys), patient, split.")
@click.option("--train", **_SHARDS, help="Shards to train on, instead of --data; repeatable.")
@click.option("--validation", **_SHARDS, help="Shards that the best model is chosen on; repeatable.")
@click.option("--test", **_SHARDS, help="Shards that the best model is measured on; repeatable.")
@click.option("--out", type=FILE, required=True, help="Folder for the training's checkpoints, logs and results.")
@click.option(
    "--without", type=FILE, help="The eps.json of `augengine train choose-eps`, whose tiles are then not trained on."
)
@click.option(
    "--stain",
    help="Stain whose vectors the stain jitter takes: the name of a built-in one or of your own, or a TOML file.",
)
@click.option("--recipe", default="icube", help="How the segmenter is trained: icube, small, or a TOML file.")
@click.option("--width", type=_SIZE, help="Filters of the network's first level; by default the recipe's.")
@click.option("--depth", type=_SIZE, help="Number of the network's levels; by default the recipe's.")
@click.option("--shrink", type=_SIZE, help="Factor by which tiles are shrunk first; by default the recipe's.")
@click.option("--crop", type=_SIZE, help="Side of the training images, in pixels; by default the recipe's.")
@click.option("--batch", type=_SIZE, help="Images per step; by default the recipe's.")
@click.option("--epochs", type=_SIZE, help="How often every tile is shown; by default as often as the recipe says.")
@click.option("--steps", type=_SIZE, help="Training steps; by default the epochs decide.")
@click.option("--classes", default="1", help="Ids of the foreground in the masks, such as 1 or 1,76.")
@click.option(
    "--variants",
    metavar="N|fresh|0",
    help="Which variants are shown: one of N, a new one per epoch (fresh), or none (0).  [all stored]",
)
@click.option(
    "--skip-class",
    "skip_classes",
    multiple=True,
    help="Show tiles of this class unchanged, as `augment --skip-class` does; repeatable.",
)
@click.option("--online", is_flag=True, help="Make the variants while training instead of reading them.")
@click.option(
    "--eps",
    type=float,
    help="With --online: upper bound of the noise's standard deviation; by default the one recommended for the stain.",
)
@click.option(
    "--noise-seed",
    type=int,
    default=0,
    help="With --online: random seed of the noise, as --seed of `augengine augment`.",
)
@click.option("--weights", type=FILE, help="With --online: folder of generators, searched alone.")
@click.option(
    "--seed", type=int, default=0, help="Random seed of weights, order, choice of variants and augmentations."
)
@click.option(
    "--precision",
    type=click.Choice(get_args(PrecisionOption)),
    default="auto",
    help="Precision of the convolutions; auto: bfloat16 where the device multiplies in it, else float32.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out, if there is one.")
@click.option("--measure-only", is_flag=True, help="Do not train; only measure the best model in --out.")
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
