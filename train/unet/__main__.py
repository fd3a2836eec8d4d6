"""The command ``python -m train.unet``: a segmenter trained from shards, and measured on other patients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click

from augengine.cards import home
from augengine.errors import SpecError, TargetError
from augengine.spec import NoiseSpec
from augengine.stains import Stain, find_stain
from train.commands import FILE, SETTINGS, PoliteCommand, interruptible
from train.step import PrecisionOption
from train.unet.cohort import Cohort, open_cohort, parse_classes
from train.unet.fit import Fit, make_training, measure
from train.unet.measures import Counts, Measures
from train.unet.online import open_translators
from train.unet.recipe import UnetRecipe, find_recipe
from train.unet.shown import OnlineVariants, Rule, StoredVariants, Variants
from train.unet.tiles import Tile

FRESH = "fresh"
RESULT = "test.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command was asked for; each field is an option."""

    data: Sequence[str]
    patients: Path | None
    train: Sequence[str]
    validation: Sequence[str]
    test: Sequence[str]
    out: Path
    stain: str | None
    recipe: str
    width: int | None
    depth: int | None
    shrink: int | None
    crop: int | None
    batch: int | None
    epochs: int | None
    steps: int | None
    classes: str
    variants: str | None
    online: bool
    eps: float | None
    noise_seed: int
    weights: Path | None
    seed: int
    precision: PrecisionOption
    resume: bool
    measure_only: bool


_SIZE = click.IntRange(min=1)
_SHARDS: dict[str, Any] = {"multiple": True, "metavar": "SHARDS"}


@click.command("python -m train.unet", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--data", **_SHARDS, help="Shards of all patients, split by --patients; sources, variants or both.")
@click.option("--patients", type=FILE, help="CSV of file (keys or globs of keys), patient, split.")
@click.option("--train", **_SHARDS, help="Shards to train on, instead of --data; repeatable.")
@click.option("--validation", **_SHARDS, help="Shards that choose the best model.")
@click.option("--test", **_SHARDS, help="Shards to report on.")
@click.option("--out", type=FILE, required=True, help="Folder of the training.")
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
        _obey(Order(**options))


def _obey(order: Order) -> None:
    cohort = open_cohort(order.data, order.patients, train=order.train, validation=order.validation, test=order.test)
    if not order.measure_only:
        training = make_training(_fit(order, cohort))
        if order.resume and (done := training.resume()):
            click.echo(f"goes on after step {done}", err=True)
        if not cohort.validation:
            click.echo("nothing to validate on: the last model is kept", err=True)
        training.train()
    if cohort.test:
        _report(order.out, measure(order.out, cohort.test))


def _fit(order: Order, cohort: Cohort) -> Fit:
    sizes = {name: getattr(order, name) for name in ("width", "depth", "shrink", "crop", "batch", "epochs")}
    recipe = find_recipe(order.recipe).with_changes(**sizes)
    stain = find_stain(order.stain, home() / "stains") if order.stain else None
    variants, made = _variants(order, cohort, stain)
    return Fit(
        cohort=cohort,
        rule=_rule(order, cohort, recipe),
        variants=variants,
        recipe=recipe,
        out=order.out,
        classes=parse_classes(order.classes),
        stain=stain,
        steps=order.steps,
        augmented=made,
        precision=order.precision,
    )


def _rule(order: Order, cohort: Cohort, recipe: UnetRecipe) -> Rule:
    text = order.variants or (FRESH if order.online else str(_all_stored(cohort.train)))
    if text != FRESH and not text.isdecimal():
        raise SpecError(f"--variants is a number or fresh, got {text!r}", hint="0 shows no variants")
    return Rule(variants=None if text == FRESH else int(text), p=recipe.p, seed=order.seed)


def _all_stored(tiles: Sequence[Tile]) -> int:
    return min((tile.variants for tile in tiles if not tile.passed), default=0)


def _variants(order: Order, cohort: Cohort, stain: Stain | None) -> tuple[Variants, str]:
    """Where variants come from, and in words what they are."""
    if not order.online:
        return StoredVariants(), "written ahead"
    if stain is None:
        raise SpecError("augmenting online needs the stain", hint="say --stain, as in --stain cd68")
    eps = order.eps if order.eps is not None else stain.recommended_eps
    if eps is None:
        raise SpecError(f"nobody measured an eps for {stain.name}", hint="give --eps; the paper's best value is 0.05")
    noise = NoiseSpec(eps=eps, seed=order.noise_seed)
    translators = open_translators(stain, cohort.train, order.weights, on_note=lambda text: click.echo(text, err=True))
    return OnlineVariants(translators, noise), f"online, eps {eps:g}, noise seed {order.noise_seed}"


def _report(out: Path, found: Measures) -> None:
    click.echo("test".ljust(12) + "".join(name.rjust(11) for name in ("F1", "precision", "recall")))
    for name, counts in (("by pixel", found.pixels), ("by object", found.objects)):
        click.echo(name.ljust(12) + _row(counts))
    try:
        (out / RESULT).write_text(json.dumps(found.to_json(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise TargetError(f"cannot write {out / RESULT}: {error.strerror}") from error


def _row(counts: Counts) -> str:
    return "".join(f"{value:11.4f}" for value in (counts.f1, counts.precision, counts.recall))


if __name__ == "__main__":
    main()
