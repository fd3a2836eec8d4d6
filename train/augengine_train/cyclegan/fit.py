"""One pair fitted as the package's own are: trained, judged on what is held out, its best checkpoint exported."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

from augengine.errors import SpecError, TargetError
from augengine.stains import BUILT_IN
from augengine.weights.cards import DIRECTIONS, read_card, write_card
from augengine.weights.recipe import Upsampling
from augengine_train.cyclegan.checkpoint import TrainingRun
from augengine_train.cyclegan.finish import WEIGHTS, export_run
from augengine_train.cyclegan.hiding import Hiding
from augengine_train.cyclegan.judge import held_out_judge
from augengine_train.cyclegan.networks import DiscriminatorNorm
from augengine_train.cyclegan.recipe import TrainingRecipe, zhu2017
from augengine_train.cyclegan.step import MixedPrecision
from augengine_train.cyclegan.trainer import Trainer
from augengine_train.data import Domain, MarkerPreference, UnpairedCrops
from augengine_train.loop.rhythm import Rhythm


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long a pair is trained, and how large it is.

    Attributes:
        steps: Training steps, each with one crop per stain.
        width, blocks, crop: The recipe's fields of these names.
        identity: Weight of the identity losses, as a recipe's ``lambda_identity``.
        cycle: Weight of the cycle losses beside the adversarial ones, as a recipe's ``lambda_cycle``.
        decay: Share of the steps over which the learning rate falls to 0; before them it is full.
        discriminator_norm, discriminator_scales: The recipe's fields of these names.
        hiding: How the generators are taught to hide markers, as a recipe has it.
        seed: Root of every draw.
        resume: Go on with trainings that were broken off.
        upsampling: How the generators double the sides, as a recipe's generator has it.
        init_from: A pair to begin with, of this width, these blocks and this upsampling: a folder of weights or a
            training's.
    """

    steps: int
    width: int
    blocks: int
    crop: int
    identity: float = 0.0
    cycle: float = 10.0
    decay: float = 0.5
    discriminator_norm: DiscriminatorNorm = "instance"
    discriminator_scales: int = 1
    hiding: Hiding | None = None
    seed: int = 0
    resume: bool = False
    upsampling: Upsampling = "transposed"
    init_from: Path | None = None

    def recipe(self) -> TrainingRecipe:
        """The recipe of every pair: zhu2017, at this size and with these weights of its losses."""
        own = zhu2017().with_changes(width=self.width, blocks=self.blocks, crop=self.crop)
        generator = replace(own.generator, upsampling=self.upsampling)
        decay_epochs = round(self.decay * own.total_epochs)
        return replace(
            own,
            name="weights",
            generator=generator,
            epochs=own.total_epochs - decay_epochs,
            decay_epochs=decay_epochs,
            discriminator_norm=self.discriminator_norm,
            discriminator_scales=self.discriminator_scales,
            lambda_cycle=self.cycle,
            lambda_identity=self.identity,
            hiding=self.hiding,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFit:
    """What makes a fit of one pair differ from another's.

    Attributes:
        data: What it learns from, for the card: a note by domain.
        markers: Share of the crops that are placed on markers.
        limits: What the card says of the pair's use.
    """

    data: Mapping[str, str]
    markers: float
    limits: str


def train_pair(fit: PairFit, reference: Domain, own: Domain, out: Path, effort: Effort) -> None:
    """Train one pair, or go on with it, and export its best checkpoint to ``{out}/weights``.

    Args:
        fit: What is special to it.
        reference, own: The domains, of one um/px; ``own`` has the name of a built-in stain. Both hold something out.
        out: Folder of the run.
        effort: How long and how large.

    Raises:
        TargetError: ``out`` holds a training, and ``effort`` does not go on with it.
    """
    accelerator = Accelerator(mixed_precision="no")
    recipe = effort.recipe()
    trainer = Trainer(
        run=_describe_run(fit, reference, own, effort, accelerator),
        crops=UnpairedCrops(
            reference,
            own,
            crop=recipe.crop,
            seed=effort.seed,
            steps=effort.steps,
            batch=recipe.batch * accelerator.num_processes,
            markers=MarkerPreference(
                stain=BUILT_IN[own.name], probability=fit.markers, masks=effort.hiding is not None
            ),
        ),
        out=out,
        accelerator=accelerator,
        judge=held_out_judge(reference, own, BUILT_IN[own.name]),
        rhythm=Rhythm(validate=1000),
    )
    pair = f"{reference.name}-{own.name}"
    if not (effort.resume and trainer.resume()) and effort.init_from is not None:
        trainer.warm_start(effort.init_from)
    trainer.train()
    for card in export_run(out):
        write_card(replace(card, limits=fit.limits), out / WEIGHTS / pair / f"{card.direction}.json")


def _describe_run(
    fit: PairFit, reference: Domain, own: Domain, effort: Effort, accelerator: Accelerator
) -> TrainingRun:
    if reference.mpp is None or reference.mpp != own.mpp:
        raise SpecError(f"both stains need one um/px, got {reference.mpp} and {own.mpp}", hint="say a target um/px")
    return TrainingRun(
        reference=reference.name,
        stain=own.name,
        mpp=reference.mpp,
        recipe=effort.recipe(),
        steps=effort.steps,
        seed=effort.seed,
        precision=MixedPrecision.choose("auto", accelerator.device).name,
        processes=accelerator.num_processes,
        data=dict(fit.data) | ({"started from": effort.init_from.name} if effort.init_from else {}),
    )


def copy_pair(folder: Path, target: Path) -> None:
    """Copy a pair's graphs and cards over those in ``target``.

    Raises:
        WeightsError: A card is missing or damaged.
        TargetError: They cannot be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for direction in DIRECTIONS:
            read_card(folder / f"{direction}.json")
            for extension in (".onnx", ".json"):
                shutil.copyfile(folder / f"{direction}{extension}", target / f"{direction}{extension}")
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error.strerror}", hint="choose a folder with room") from error
