"""The command ``augengine train cyclegan``: a pair of generators trained, and exported for ``augengine build-engines``.

Several GPUs: ``accelerate launch -m augengine_train.cyclegan ...`` or ``torchrun -m augengine_train.cyclegan ...``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from augengine.errors import SpecError
from augengine.stains import Stain, find_stain
from augengine.weights.home import home
from augengine_train.cyclegan.checkpoint import TrainingRun
from augengine_train.cyclegan.finish import WEIGHTS, export_run, judge_run, to_tile
from augengine_train.cyclegan.judge import held_out_judge
from augengine_train.cyclegan.recipe import TrainingRecipe, find_recipe
from augengine_train.cyclegan.schedule import Schedule
from augengine_train.cyclegan.step import MixedPrecision, PrecisionOption
from augengine_train.cyclegan.trainer import Trainer
from augengine_train.data import Domain, Holdout, MarkerPreference, UnpairedCrops, open_domain
from augengine_train.data.crops import summary
from augengine_train.data.picture_cache import BUDGET
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand, find_own_stain, interruptible
from augengine_train.loop.rhythm import Rhythm
from augengine_train.validate.kid import load_features
from augengine_train.validate.tiles import cut_tiles

_MAX_WORKERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command was asked for; each field is an option."""

    reference: str | None
    stain: str
    reference_data: str | None
    data: str | None
    out: Path
    recipe: str
    width: int | None
    blocks: int | None
    crop: int | None
    batch: int | None
    steps: int | None
    seed: int
    mpp: float | None
    reference_mpp: float | None
    target_mpp: float | None
    holdout: str
    patients: Path | None
    markers: float
    precision: PrecisionOption
    resume: bool
    init_from: Path | None
    validate_every: int
    checkpoint_every: int
    kid_features: Path | None
    export_only: bool


_SIZE = click.IntRange(min=1)


@click.command("cyclegan", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--reference", help="Name of the reference stain; by default the stain's own.")
@click.option("--stain", required=True, help="The stain: the name of a built-in one or of your own, or a TOML file.")
@click.option(
    "--reference-data", metavar="SOURCE", help="Pictures of the reference stain: a field, a folder, or source shards."
)
@click.option("--data", metavar="SOURCE", help="Pictures of the stain: a field, a folder, or source shards.")
@click.option("--out", type=FILE, required=True, help="Folder for the run's checkpoints, logs and exported pair.")
@click.option("--recipe", default="zhu2017", help="How the pair is trained: zhu2017, icube, or a TOML file.")
@click.option("--width", type=_SIZE, help="Channels of the generators' first convolution; by default the recipe's.")
@click.option(
    "--blocks", type=click.IntRange(min=0), help="Residual blocks of the generators; by default the recipe's."
)
@click.option("--crop", type=_SIZE, help="Side of the training images, in pixels; by default the recipe's.")
@click.option("--batch", type=_SIZE, help="Images of each stain per process and step; by default the recipe's.")
@click.option(
    "--steps",
    type=_SIZE,
    help="Training steps, over which the recipe's schedule is laid; by default its epochs decide.",
)
@click.option("--seed", type=int, default=0, help="Random seed of weights, order and crops.")
@click.option("--mpp", type=float, help="um/px of the stain's pictures, where their json does not say it.")
@click.option(
    "--reference-mpp",
    type=float,
    help="um/px of the reference's pictures, where their json does not say it; by default --mpp.",
)
@click.option("--target-mpp", type=float, help="um/px to train at; by default that of the stain's pictures.")
@click.option(
    "--holdout",
    default="0.2",
    help="What is measured on instead: a strip of every picture, as a share of its width, or names of files.",
)
@click.option(
    "--patients",
    type=FILE,
    help="CSV of file, patient, split; its validation patients are measured on, instead of --holdout.",
)
@click.option(
    "--markers",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Share of the crops that are placed on a marker, 0 to 1.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(PrecisionOption)),
    default="auto",
    help="Precision of the convolutions; auto: bfloat16 where the device multiplies in it, else float32.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out, if there is one.")
@click.option("--init-from", type=FILE, help="Start from the weights of a run, a checkpoint or a pair of ONNX files.")
@click.option("--validate-every", type=_SIZE, default=1000, help="Number of steps between two validations.")
@click.option("--checkpoint-every", type=_SIZE, default=500, help="Number of steps between two checkpoints.")
@click.option(
    "--kid-features", type=FILE, help="TorchScript file of a feature network, with which every validation measures KID."
)
@click.option("--export-only", is_flag=True, help="Do not train; only export the best checkpoint in --out.")
def main(**options: Any) -> None:
    """Train a pair of generators on two unpaired sets of pictures, and export it."""
    with interruptible("the same command with --resume goes on from the last checkpoint"):
        _obey(Order(**options))


def _obey(order: Order) -> None:
    if order.export_only:
        _export(order, None)
        return
    # Instance norms keep no buffers, so there is nothing to broadcast before each forward pass.
    buffers = DistributedDataParallelKwargs(broadcast_buffers=False)
    accelerator = Accelerator(mixed_precision="no", kwargs_handlers=[buffers])
    colours = find_own_stain(order.stain, order.reference)
    stain, reference = _open_domains(order, colours, accelerator)
    trainer = _make_trainer(order, colours, reference, stain, accelerator)
    if order.resume and (done := trainer.resume()):
        _say(accelerator, f"goes on after step {done}")
    elif order.init_from is not None:
        trainer.warm_start(order.init_from)
    if trainer.judge is None:
        _say(accelerator, "nothing is held out of one of the stains: not validated, and the last checkpoint is taken")
    trainer.train()
    if accelerator.is_main_process:
        _export(order, (stain, reference))


def _open_domains(order: Order, colours: Stain, accelerator: Accelerator) -> tuple[Domain, Domain]:
    """Open the pictures of stain and reference, both at the same um/px."""
    if order.data is None or order.reference_data is None:
        raise SpecError("a training needs pictures of both stains", hint="give --data and --reference-data")
    held: dict[str, Any] = {"patients": order.patients} if order.patients else {"holdout": Holdout.parse(order.holdout)}
    # Each DataLoader worker keeps pictures of its own.
    shares = 1 + _count_workers(accelerator.device, accelerator.num_processes)
    held |= {"check_pixels": True, "budget": BUDGET // shares}
    stain = open_domain(order.data, name=colours.name, mpp=order.mpp, target_mpp=order.target_mpp, **held)
    if stain.mpp is None:
        raise SpecError(
            f"the um/px of {order.data} is unknown; generators are only good at the one they were trained at",
            hint="say --mpp, as in --mpp 0.5",
        )
    mpp = order.reference_mpp or order.mpp
    name = colours.reference or ""
    return stain, open_domain(order.reference_data, name=name, mpp=mpp, target_mpp=stain.mpp, **held)


def _make_trainer(order: Order, colours: Stain, reference: Domain, stain: Domain, accelerator: Accelerator) -> Trainer:
    shape = {"width": order.width, "blocks": order.blocks, "crop": order.crop, "batch": order.batch}
    recipe = find_recipe(order.recipe).with_changes(**shape)
    processes = accelerator.num_processes
    run = _describe_run(order, recipe, reference, stain, accelerator)
    crops = UnpairedCrops(
        reference,
        stain,
        crop=recipe.crop,
        seed=order.seed,
        steps=run.steps,
        batch=recipe.batch * processes,
        markers=MarkerPreference(stain=colours, probability=order.markers, masks=recipe.hiding is not None),
    )
    features = load_features(order.kid_features, accelerator.device) if order.kid_features else None
    measured = reference.held_out and stain.held_out
    if measured:
        # Refuses a strip that is too narrow now, not at the first validation.
        for domain in (reference, stain):
            cut_tiles(domain.held_out, count=1)
    return Trainer(
        run=run,
        crops=crops,
        out=order.out,
        accelerator=accelerator,
        judge=held_out_judge(reference, stain, colours, seed=order.seed, features=features) if measured else None,
        rhythm=Rhythm(checkpoint=order.checkpoint_every, validate=order.validate_every),
        workers=_count_workers(accelerator.device, processes),
    )


def _describe_run(
    order: Order, recipe: TrainingRecipe, reference: Domain, stain: Domain, accelerator: Accelerator
) -> TrainingRun:
    assert stain.mpp is not None
    data = {"reference": dict(summary(reference)), "stain": dict(summary(stain)), "markers": order.markers}
    start = {} if order.init_from is None else {"started_from": order.init_from.name}
    return TrainingRun(
        reference=reference.name,
        stain=stain.name,
        mpp=stain.mpp,
        recipe=recipe,
        steps=Schedule.of(recipe, steps=order.steps, processes=accelerator.num_processes).steps,
        seed=order.seed,
        precision=MixedPrecision.choose(order.precision, accelerator.device).name,
        processes=accelerator.num_processes,
        data=data | start,
    )


def _count_workers(device: torch.device, processes: int) -> int:
    """Workers that load crops per process: none on a CPU, which the networks need more than the crops do."""
    return min(_MAX_WORKERS, (os.cpu_count() or 1) // processes) if device.type == "cuda" else 0


def _export(order: Order, domains: tuple[Domain, Domain] | None) -> None:
    tiles = None
    if domains is not None:
        stain, reference = (to_tile((domain.held_out or domain.images)[0]) for domain in domains)
        tiles = {"to-reference": stain, "from-reference": reference}
    for card in export_run(order.out, tiles=tiles):  # type: ignore[arg-type]
        click.echo(f"{card.reference}-{card.stain} {card.direction}: RMS {card.parity.rms:.1e} from the checkpoint")
    own = find_stain(order.stain, home() / "stains").reference
    if own != card.reference:
        click.echo(f'first make a stain file with reference = "{card.reference}": that of {order.stain} says {own}')
    if domains is not None and (held_out := domains[0].held_out):
        click.echo("\n".join(judge_run(order.out, find_own_stain(order.stain, order.reference), held_out)))
    click.echo(f"next: augengine build-engines --stain {order.stain} --weights {order.out / WEIGHTS}")


def _say(accelerator: Accelerator, text: str) -> None:
    if accelerator.is_main_process:
        click.echo(text, err=True)


if __name__ == "__main__":
    main()
