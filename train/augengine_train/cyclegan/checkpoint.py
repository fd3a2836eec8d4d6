"""Checkpoints of a CycleGAN: both generators as safetensors with a card, in the folders of `loop.checkpoints`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from augengine.engines.onnx_types import read_model, recipe_of, weights_of
from augengine.errors import CheckpointError, SpecError
from augengine.generator import Generator, Recipe, generator_from
from augengine.json_values import from_json, to_json
from augengine.weights.cards import DIRECTIONS, Direction
from augengine_train.cyclegan.networks import GeneratorPair
from augengine_train.cyclegan.recipe import TrainingRecipe
from augengine_train.loop.checkpoints import Checkpoints, Kind, check_same, read_card

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What decides every number of a training: two runs with equal values are equal.

    Attributes:
        reference: Name of the reference stain.
        stain: Name of the other.
        mpp: um/px of the images.
        recipe: How it trains.
        steps: How long.
        seed: Root of every draw.
        precision: Type of the convolutions.
        processes: How many share a step.
        data: What it is trained on, as plain json values.
    """

    reference: str
    stain: str
    mpp: float
    recipe: TrainingRecipe
    steps: int
    seed: int
    precision: str
    processes: int
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.reference == self.stain:
            raise SpecError(f"the reference and the stain differ, got {self.stain!r} for both")
        if not 0 <= self.seed < 2**63:
            raise SpecError(f"seed must be in [0, 2**63), got {self.seed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCard:
    """What a checkpoint is.

    Attributes:
        run: Its training.
        step: Steps done.
        score: Score of its validation, lower is better; None if it was not measured.
        validation: The last measurement up to this step, as plain json values.
        format: Version of these fields.
    """

    run: TrainingRun
    step: int
    score: float | None = None
    validation: Mapping[str, Any] | None = None
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The card of a checkpoint's folder.

        Raises:
            CheckpointError: Missing, unreadable, or of another version.
        """
        return read_card(folder, FORMAT, cls)


def save_generators(
    checkpoints: Checkpoints,
    kind: Kind,
    generators: GeneratorPair,
    card: TrainingCard,
    state: Mapping[str, Any] | None = None,
) -> Path:
    """Write a checkpoint of both generators; see `Checkpoints.write`.

    Raises:
        TargetError: It cannot be written; the older one stays.
    """
    weights: dict[str, dict[str, Tensor]] = {
        direction: _network(generators, direction).state_dict() for direction in DIRECTIONS
    }
    return checkpoints.write(kind, card.step, to_json(card), weights, state)


def check_resumable(card: TrainingCard, run: TrainingRun) -> None:
    """Refuse to go on with other settings: the result would be neither training's.

    Raises:
        TrainingError: It names what differs.
    """
    check_same(to_json(card.run), to_json(run), hint="or start anew elsewhere with --init-from this run")


def load_generators(generators: GeneratorPair, folder: Path) -> None:
    """Put stored weights into both generators.

    Args:
        generators: Both generators, built by the recipe that the weights are for.
        folder: With ``{to,from}-reference.safetensors``, or ``.onnx`` in the stored form; or the folder of a run,
            whose best checkpoint is taken, else its last.

    Raises:
        CheckpointError: Files missing, unreadable, or for another recipe.
    """
    found = Checkpoints(folder / "checkpoints")
    place = found.find("best") or found.find("step") or folder
    for direction in DIRECTIONS:
        network = _network(generators, direction)
        network.load_state_dict(_read_generator(place, direction, network.recipe).state_dict())


def load_generator(folder: Path, direction: Direction, recipe: Recipe) -> Generator:
    """One generator of a checkpoint's folder, in float32 on the CPU.

    Raises:
        CheckpointError: Missing, unreadable, or for another recipe.
    """
    file = folder / f"{direction}.safetensors"
    try:
        state = load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {file}: {error}", hint="it should be a safetensors file") from error
    return generator_from(recipe, state, str(file))


def _read_generator(folder: Path, direction: Direction, recipe: Recipe) -> Generator:
    file = folder / f"{direction}.onnx"
    if not file.is_file():
        return load_generator(folder, direction, recipe)
    model = read_model(file)
    try:
        stored = from_json(Recipe, recipe_of(model))
    except SpecError as error:
        raise CheckpointError(f"{file} carries no recipe of ours: {error}") from error
    if stored != recipe:
        raise CheckpointError(
            f"{file} has the recipe {stored}, the training has {recipe}", hint="train with --width and --blocks of it"
        )
    return generator_from(recipe, {name: torch.from_numpy(w) for name, w in weights_of(model).items()}, str(file))


def _network(generators: GeneratorPair, direction: Direction) -> Generator:
    return generators.to_reference if direction == "to-reference" else generators.from_reference
